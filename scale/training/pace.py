"""How far training is and how fast it goes, in words."""

__all__ = ["at_a_pace"]


def at_a_pace(step: int, total: int, seconds: float) -> str:
    """What is to be said after a step that took so many seconds.

    >>> at_a_pace(2, 5, 3.04), at_a_pace(3, 5, 0.02)
    ('step 2 of 5, 3 s a step', 'step 3 of 5, 50 steps a second')
    """
    pace = f"{seconds:.2g} s a step" if seconds >= 1 else f"{1 / max(seconds, 1e-9):.2g} steps a second"
    return f"step {step} of {total}, {pace}"
