"""The intrinsic-time law in a language model, from the output head to all weights."""
