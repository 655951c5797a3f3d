"""Millions of steps of a rule on a force: compiled by numba where it is installed, else as it stands."""

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from theory.atlas.optimisers.force import log_force
from theory.atlas.optimisers.rules import RULES

__all__ = ["fast", "loop"]

Array = np.ndarray


def fast() -> bool:
    """Whether the loop is compiled: the extra `fast`."""
    return _jit() is not None


@cache
def _jit() -> Callable[..., Any] | None:
    try:
        import numba
    except ImportError:
        return None
    return numba.njit(error_model="numpy")


@cache
def loop(compiled: bool = True) -> Callable[..., Array]:
    """The function that marches: see `theory.atlas.optimisers.scalar.simulate`; `compiled=False` is its plain twin."""
    jit = (_jit() if compiled else None) or (lambda function: function)
    force, rules = jit(inspect.unwrap(log_force)), tuple(jit(inspect.unwrap(rule)) for rule in RULES)
    descent, heavy_ball, sign_descent, adam, amsgrad, adagrad, sophia = rules

    def move(kind: Any, log_g: Any, sign: Any, state: Any, options: Any) -> Any:
        if kind == 0:
            return descent(log_g, sign, state, options)
        if kind == 1:
            return heavy_ball(log_g, sign, state, options)
        if kind == 2:
            return sign_descent(log_g, sign, state, options)
        if kind == 3:
            return adam(log_g, sign, state, options)
        if kind == 4:
            return amsgrad(log_g, sign, state, options)
        if kind == 5:
            return adagrad(log_g, sign, state, options)
        return sophia(log_g, sign, state, options)

    return jit(inspect.unwrap(_marching(force, jit(inspect.unwrap(move)))))


def _marching(force: Any, move: Any) -> Callable[..., Any]:
    def march(kind: Any, at: Any, state: Any, options: Any, table: Any, keep: Any, ahead: Any, c: Any) -> Any:
        """The margin after each number of steps in `at`; `keep` is 1 − lr·decay, `ahead` how far SAM looks back."""
        found, m, t = np.empty(len(at)), 0.0, 0
        pieces, step, end, tail, root = table
        for k in range(len(at)):
            while t < at[k]:
                t += 1
                log_g, sign = force(m - ahead, pieces, step, end, tail, root)
                m += (keep - 1) * (m - c) + move(kind, log_g, sign, state, options)
            found[k] = m
        return found

    return march
