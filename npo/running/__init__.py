"""What the verbs share: running units under a live display, methods as typed, memory."""
