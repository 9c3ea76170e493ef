"""Early-exit Vision Transformers on robots: what runs beside the camera."""
