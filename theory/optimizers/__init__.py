"""Optimisers that torch lacks, a file each, and any of them or of torch's by name (`theory.optimizers.named`)."""
