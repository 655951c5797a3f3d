"""The logistic engine against the obvious implementation, in one run: the time ratio for equal curves.

Baseline: one method at a time, autograd through the objective, random features and reference logits computed anew at
every step. Ours: `synthetic.logistic` (features once, closed gradient weights). Rounds alternate; medians are printed.

    python benchmarks/logistic.py
"""

import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from synthetic.gaussians import Sample, draw
from synthetic.logistic import Problem, fit, problem_from_arrays, unlearn
from synthetic.logistic_study import TABLE_1
from theory.logprobs import from_margins
from theory.objective import Objective

ROUNDS, STEPS, FIT_STEPS = 5, 200, 1000


def obvious_features(W: torch.Tensor, X: torch.Tensor) -> torch.Tensor:
    """ReLU(Wx), computed anew whenever asked."""
    return torch.relu(X @ W.T)


def obvious_fit(sample: Sample, X: np.ndarray, y: np.ndarray, steps: int) -> np.ndarray:
    """Gradient descent by autograd on the mean cross-entropy."""
    W, x, sign = torch.tensor(sample.W), torch.tensor(X), torch.tensor(2 * y - 1)
    theta = torch.zeros(len(W), dtype=torch.float64, requires_grad=True)
    for _ in range(steps):
        loss = -from_margins(sign * (obvious_features(W, x) @ theta)).mean()
        (grad,) = torch.autograd.grad(loss, theta)
        theta = (theta - 0.05 * grad).detach().requires_grad_()
    return theta.detach().numpy()


def obvious_unlearn(sample: Sample, theta_ref: np.ndarray, objective: Objective, lr: float, steps: int) -> np.ndarray:
    """Unlearning by autograd through the objective."""
    arrays = {name: torch.tensor(x) for name, x in vars(sample).items()}
    ref = torch.tensor(theta_ref)
    theta = ref.clone().requires_grad_()

    def logp(X: str, y: str, parameters: torch.Tensor) -> torch.Tensor:
        return from_margins((2 * arrays[y] - 1) * (obvious_features(arrays["W"], arrays[X]) @ parameters))

    for _ in range(steps):
        forget = {
            "logp": logp("X_forget", "y_forget", theta),
            "ref_logp": logp("X_forget", "y_forget", ref),
            "logp_win": logp("X_forget", "y_idk", theta),
            "ref_logp_win": logp("X_forget", "y_idk", ref),
        }
        total = objective(forget, {"logp": logp("X_retain", "y_retain", theta)}).total
        (grad,) = torch.autograd.grad(total, theta)
        theta = (theta - lr * grad).detach().requires_grad_()
    return theta.detach().numpy()


def compare(label: str, obvious: Callable[[], object], ours: Callable[[], object]) -> None:
    """Print the ratio of median times over alternating rounds."""
    seconds: dict[str, list[float]] = {"obvious": [], "ours": []}
    for _ in range(ROUNDS):
        for name, run in (("obvious", obvious), ("ours", ours)):
            started = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - started)
    a, b = (statistics.median(seconds[name]) for name in ("obvious", "ours"))
    print(f"{label:32s} {a / b:6.1f} x faster   ({a:.2f} s against {b:.3f} s)")


def main() -> None:
    """Two fits, then the six methods of Figure 4."""
    torch.set_num_threads(1)
    sample = draw(alpha=1.0, seed=0)
    problem: Problem = problem_from_arrays(**vars(sample), fit_steps=FIT_STEPS)
    X, y = sample.X_retain, sample.y_retain
    slow, fast = obvious_fit(sample, X, y, FIT_STEPS), fit(problem.H_retain, y, steps=FIT_STEPS)
    print(f"largest difference in θ after {FIT_STEPS} steps of fitting: {np.abs(slow - fast).max():.1e}")
    for row in TABLE_1:
        theta = obvious_unlearn(sample, problem.theta_ref, row.objective(), row.lr, STEPS)
        path = unlearn(problem, row.objective(), lr=row.lr, steps=STEPS, every=STEPS)
        difference = abs(np.linalg.norm(theta - problem.theta_ref) - path.reference_distance[-1])
        print(f"{row.method}: difference in ‖θ − θ_ref‖ after {STEPS} steps: {difference:.1e}")
    compare(
        f"fit of π_retr, {FIT_STEPS} steps",
        lambda: obvious_fit(sample, X, y, FIT_STEPS),
        lambda: fit(problem.H_retain, y, steps=FIT_STEPS),
    )
    compare(
        f"six methods, {STEPS} steps",
        lambda: [obvious_unlearn(sample, problem.theta_ref, r.objective(), r.lr, STEPS) for r in TABLE_1],
        lambda: [unlearn(problem, r.objective(), lr=r.lr, steps=STEPS, every=25) for r in TABLE_1],
    )


if __name__ == "__main__":
    main()
