"""`evaluate`: a model examined, or the published log of an examination in its place."""
