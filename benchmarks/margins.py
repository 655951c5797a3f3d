"""The margin dynamics of Theorem 2: compiled against plain numpy, n_f = 64, in one run.

python benchmarks/margins.py
"""

import statistics
import time

import numpy as np

from theory.theorems.paper.divergence import build
from theory.theorems.paper.margins import simulate

ROUNDS, COMPILED_STEPS, NUMPY_STEPS = 5, 100_000, 10_000


def main() -> None:
    """Time per step of both forms, alternating, for GA and two β."""
    model = build(n=64, d=128, beta=1.0, lr=10.0, seed=0)
    simulate(model, beta=1.0, at=np.array([1]))  # compile
    for beta in (0.0, 0.1, 1.0):
        seconds: dict[bool, list[float]] = {True: [], False: []}
        for _ in range(ROUNDS):
            for compiled, steps in ((True, COMPILED_STEPS), (False, NUMPY_STEPS)):
                started = time.perf_counter()
                simulate(model, beta=beta, at=np.array([steps]), compiled=compiled)
                seconds[compiled].append((time.perf_counter() - started) / steps)
        fast, slow = (statistics.median(seconds[c]) for c in (True, False))
        fast_end, slow_end = (simulate(model, beta=beta, at=np.array([2000]), compiled=c) for c in (True, False))
        times = f"{1e6 * fast:.2f} s against {1e6 * slow:.1f} s a million steps"
        off = np.abs(fast_end / slow_end - 1).max()
        print(f"β = {beta:g}: {slow / fast:5.1f} x faster   ({times}; relative difference after 2000 steps {off:.0e})")


if __name__ == "__main__":
    main()
