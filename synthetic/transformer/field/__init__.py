"""Sentences of other papers on unlearning, put to a small transformer: one file a question."""
