"""A model in memory: found by name, loaded whole, merged with its adapter, from scratch, with LoRA put on it."""
