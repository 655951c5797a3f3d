"""`npo synthetic`: the logistic problem, the grid of its settings, the small transformer."""
