"""Intrinsic time: in the right clock every model goes one way, under each loss at that loss's pace."""
