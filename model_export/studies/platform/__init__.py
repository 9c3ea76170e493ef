"""Study `platform`: one model on many machines and providers."""
