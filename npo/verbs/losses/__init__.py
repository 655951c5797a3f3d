"""`npo atlas` and `npo try`: what a loss does, one's own among them."""
