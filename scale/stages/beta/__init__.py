"""`auto-beta/…`: the drop that is wanted, and the β that leads to it."""
