"""What a model says: greedily or drawn, many answers at once, each read on from what is kept of it."""
