"""Optimisers in the scalar model: one step of each, millions of them on any loss's force, the class that is left."""
