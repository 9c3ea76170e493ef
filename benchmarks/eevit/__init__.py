"""Our models beside the EEViT thesis code: `beside_eevit` runs these."""
