"""Finished runs, read from their folders by manifest: which there are, and which can be compared."""
