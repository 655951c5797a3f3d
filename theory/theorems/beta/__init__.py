"""The β that a wanted drop asks for, of descent with a budget and of Adam."""
