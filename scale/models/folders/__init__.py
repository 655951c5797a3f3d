"""A model's folder: what can be known of it unread, a model with its tokenizer written into one, its card."""
