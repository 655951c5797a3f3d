"""`npo forget`: one's own rows out of any model."""
