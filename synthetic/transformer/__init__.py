"""A small transformer that memorises text and unlearns it: the law, optimisers, methods."""
