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
        "saturation": _saturation,
        "recovery": _recovery,
        "traces": _traces,
        "components": _components,
    }
    bounded = {f"logistic/bounded-{seed}": Data(_bounded(seed), {"seed": seed}) for seed in SEEDS}
    bounded["logistic/stages"] = Data(_logistic_stages(), {"seeds": list(SEEDS)})
    return bounded | {f"transformer/{name}": Data(make(), {"seeds": list(SEEDS)}) for name, make in made.items()}


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


def _saturation() -> dict[str, np.ndarray]:
    """Both weights keep most, saturation the more of the two; waits are as computed."""
    found, forget = {"escape-steps": np.array([0.0, 10.0, 100.0])}, np.linspace(0.9, 0.1, 9)
    lost = {"saturation": 0.3, "importance": 0.5, "both": 0.1, "both-0.1": 0.2}
    for seed in SEEDS:
        for name, x in lost.items():
            found[f"trade-{name}-{seed}.forget"] = forget
            found[f"trade-{name}-{seed}.retain"] = 0.9 - x * (1 + 0.01 * seed) * (0.9 - forget)
        for beta2, gone, law in ((0.1, [0.0, 0.5, 1.0], 1.0), (1.0, [0.0, 0.0, 0.5], 10.0)):
            found[f"escape-{beta2:g}-{seed}.gone"] = np.array(gone)
            found[f"escape-{beta2:g}-{seed}.law"] = np.array(law * (1 + 0.01 * seed * beta2))
    return found


def _recovery() -> dict[str, np.ndarray]:
    paths = {"GA+RT": [0.1, 1.0, 9.0], "NPO+RT": [0.1, 0.4, 0.05]}
    return {f"{m}-{seed}.loss": np.array(x) * (1 + 0.01 * seed) for m, x in paths.items() for seed in SEEDS}


def _bounded(seed: int) -> dict[str, np.ndarray]:
    t = np.geomspace(1, 1000, 31)
    found = {}
    for label, moved, kept in (("0.1", np.minimum(t, 80), 0.1), ("0.4", np.minimum(t, 90), 0.3), ("inf", t, 5.0)):
        found |= {f"{label}.steps": t, f"{label}.reference_distance": moved}
        found[f"{label}.forget_distance"] = 1 / t
        found[f"{label}.retain_distance"] = kept * (1 + 0.01 * seed) * t / 1000
    return found


def _logistic_stages() -> dict[str, np.ndarray]:
    found = {}
    for order, cost in (("forget", 0.1), ("retain", 0.3)):
        for seed in SEEDS:
            found[f"{order}-{seed}.drop"] = np.array([0.0, 10.0])
            found[f"{order}-{seed}.kept"] = np.array([0.0, cost * (1 + 0.01 * seed)])
    return found


def _traces() -> dict[str, np.ndarray]:
    """Drawn answers leak half of the time, the retrained model's never; one answer in a hundred is taken amiss."""
    found = {}
    for name, chance in (("GA+RT", 0.01), ("NPO", 0.01), ("NPO+RT", 0.02), ("retrained", 1e-9)):
        for seed in SEEDS:
            looks = 1 if name == "retrained" else 3
            found[f"{name}-{seed}.logp"] = np.log(np.full((looks, 10), (1 + 0.01 * seed) * chance))
            found[f"{name}-{seed}.greedy"] = np.array([0.9, 0.1, 0.0])[-looks:]
            for asked in ("kept", "unseen"):
                found[f"{name}-{seed}.told_{asked}"] = np.array(0.98 + 0.001 * seed)
    return found


def _components() -> dict[str, np.ndarray]:
    """Three quarters of the change are dominant; minor directions hardly move, and stay where they were moved to."""
    found = {}
    for label in [f"{name}-{seed}" for name in ("GA+RT", "NPO", "NPO+RT") for seed in SEEDS]:
        of_seed = 1 + 0.01 * int(label[-1])
        found[f"{label}.moved"] = np.array([0.75, 0.25])
        found[f"{label}.relative"] = np.array([1.0 * of_seed, 0.2])
        found[f"{label}.left"] = np.array([0.3, 0.9 * of_seed])
        found[f"{label}.lost"], found[f"{label}.back"] = np.array(50.0), np.array(49.0)
    return found
