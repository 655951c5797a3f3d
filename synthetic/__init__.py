"""Data sets, models and experiments small enough to watch: logistic regression and a small transformer."""
