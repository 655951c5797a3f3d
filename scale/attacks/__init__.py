"""What is done to an unlearned model before it is examined again: relearning, fewer bits, pruning, mixing.

Start with `scale.attacks.grids` (the formats of few bits).
"""
