"""Study `cost`: parameters and multiply-accumulates by component and layer."""
