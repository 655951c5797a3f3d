"""Theorems as values: hypotheses, prediction with explicit constants, measurement."""
