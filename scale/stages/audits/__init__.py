"""`audit/<model>`, `attack/<model>/<attack>`: models of a run audited, as they are and attacked; any model attacked."""
