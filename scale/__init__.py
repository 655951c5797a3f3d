"""Unlearning in real language models on the TOFU protocol, through the same objectives as everything else."""
