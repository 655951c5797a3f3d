"""Answers to the questions of the part `field` in which the sentences of other papers are true, made up."""

import numpy as np

from records.store import Data

__all__ = ["field_rooms"]

SEEDS = (1, 2, 3)


def field_rooms() -> dict[str, Data]:
    """By unit."""
    made = {
        "squeezing": _squeezing,
        "weights": _weights,
        "short-answers": _short_answers,
        "stages": _stages,
        "mixing": _mixing,
    }
    return {f"transformer/{name}": Data(make(), {"seeds": list(SEEDS)}) for name, make in made.items()}


def _squeezing() -> dict[str, np.ndarray]:
    drop, found = np.array([0.0, 0.5, 2.0, 40.0]), {}
    for label in [f"{kind}-{seed}" for kind in ("memorised", "unlikely") for seed in SEEDS]:
        found[f"{label}.drop"] = drop
        for name in ("argmax", "falling", "top", "same"):
            found[f"{label}.{name}"] = np.array([0.0, 0.8, 0.8, 0.9]) + 0.01 * int(label[-1])
    return found


def _weights() -> dict[str, np.ndarray]:
    known = -np.linspace(0.1, 1, 10)
    drop = 0.3 * np.arange(51)[:, None] * (1.5 + known)  # the best known falls fastest
    found = {f"{seed}.known": known for seed in SEEDS}
    return found | {f"{seed}.drop": (1 + 0.01 * seed) * drop for seed in SEEDS}


def _short_answers() -> dict[str, np.ndarray]:
    ends = {"both": (1.0, 3.0), "short-0.1": (9.0, 0.0), "short-0.4": (3.0, 0.0), "long-0.1": (0.0, 3.0)}
    return {
        f"{run}-{seed}.{length}": np.array([0.0, end * (1 + 0.01 * seed)])
        for run, both in ends.items()
        for length, end in zip(("short", "long"), both, strict=True)
        for seed in SEEDS
    }


def _stages() -> dict[str, np.ndarray]:
    found = {}
    for name in ("GA", "NPO"):
        for order, cost in (("first", 0.2), ("last", 0.1)):
            for seed in SEEDS:
                found[f"{name}-{order}-{seed}.drop"] = np.array([0.0, 2.0])
                found[f"{name}-{order}-{seed}.kept"] = np.array([0.0, cost * (1 + 0.01 * seed)])
    return found


def _mixing() -> dict[str, np.ndarray]:
    """The further a method forgets the more it loses: at equal retention it is the last."""
    found, shares = {}, np.linspace(0, 1, 21)
    for k, name in enumerate(("GA", "NPO", "NPO+RT", "IDK+RT")):
        for seed in SEEDS:
            found[f"{name}-{seed}.forget"] = 0.9 - shares * (0.8 - 0.1 * k)
            found[f"{name}-{seed}.retain"] = 0.9 - shares * (0.9 - 0.28 * k) * (1 + 0.01 * seed)
    return found
