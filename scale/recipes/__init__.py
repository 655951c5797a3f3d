"""Recipes: what a run is made of, the YAML files, and what it would cost."""
