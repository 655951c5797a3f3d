"""What is kept of a reference, so that no second model is in memory, and by which name it is found again."""
