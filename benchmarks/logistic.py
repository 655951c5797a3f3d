"""The logistic engine against the obvious implementation, in one run: the time ratio for equal curves.

Baseline: one model, one method, one seed at a time; data drawn point by point, random features and the reference's
logits computed anew at every step, gradients by autograd through the objective, four KLs every 25 steps. Ours: features
once, closed slopes, all twelve methods as columns (`synthetic.logistic.columns`), in numpy and compiled. One thread,
rounds alternate, medians are compared. The whole suite is 2 α × 5 seeds × 12 methods × 2000 steps and 20 fits of 20,000
steps: ours runs in full; of the baseline a part is timed and the rest, which is the same steps again, extrapolated.

    python benchmarks/logistic.py
"""

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before numpy reads them

import statistics
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from importlib import metadata
from pathlib import Path

import numpy as np
import torch

from synthetic.logistic import COLUMNS, Trajectory, evaluated, unlearn_together
from synthetic.logistic.columns import march
from synthetic.logistic.gaussians import Sample, draw
from synthetic.logistic.presets import table_1
from synthetic.logistic.problem import FIT_LR, FIT_STEPS, Problem, problem_from_arrays, rows_of_fits
from synthetic.logistic.rows import columns
from theory.kernel import needs, plain_name
from theory.logprobs import from_margins
from theory.objective import Objective

ROUNDS = 3
FITTED, UNLEARNED = 400, 50  # steps of the baseline in a round
STEPS, EVERY = 2000, 25
ALPHAS, SEEDS = (1.0, 0.0), (1000, 2000, 3000, 4000, 5000)


# --- the obvious implementation -----------------------------------------------------------------------------------


def obvious_draw(alpha: float, seed: int) -> list[tuple[np.ndarray, float]]:
    """3200 points and labels of the paper's law, one at a time."""
    generator = torch.Generator().manual_seed(seed)
    found = []
    for side, count in ((1.0, 1200), (-1.0, 2000)):
        for _ in range(count):
            x = torch.randn(16, generator=generator, dtype=torch.float64) + side * alpha
            p = torch.sigmoid(side * ((x - side * alpha).sum() / 4 + 1))
            found.append((x.numpy(), float(torch.bernoulli(p, generator=generator))))
    return found


class Obvious:
    """The model and its quantities, everything computed when it is asked for."""

    def __init__(self, sample: Sample) -> None:
        self.arrays = {name: torch.tensor(x) for name, x in vars(sample).items()}

    def logit(self, X: str, theta: torch.Tensor) -> torch.Tensor:
        """θᵀReLU(Wx) of a set."""
        return torch.relu(self.arrays[X] @ self.arrays["W"].T) @ theta

    def logp(self, X: str, y: str, theta: torch.Tensor) -> torch.Tensor:
        """log π_θ(y|x)."""
        return from_margins((2 * self.arrays[y] - 1) * self.logit(X, theta))

    def fit(self, sets: tuple[str, ...], steps: int) -> np.ndarray:
        """Gradient descent on the mean cross-entropy of the sets."""
        theta = torch.zeros(len(self.arrays["W"]), dtype=torch.float64, requires_grad=True)
        for _ in range(steps):
            loss = -torch.cat([self.logp(f"X_{s}", f"y_{s}", theta) for s in sets]).mean()
            (grad,) = torch.autograd.grad(loss, theta)
            theta = (theta - FIT_LR * grad).detach().requires_grad_()
        return theta.detach().numpy()

    def loss(self, objective: Objective, theta: torch.Tensor, ref: torch.Tensor, beta: float | None) -> torch.Tensor:
        """The objective on the whole data; what it does not need is not computed."""
        forget = {
            "logp": lambda: self.logp("X_forget", "y_forget", theta),
            "ref_logp": lambda: self.logp("X_forget", "y_forget", ref),
            "logp_win": lambda: self.logp("X_forget", "y_idk", theta),
            "ref_logp_win": lambda: self.logp("X_forget", "y_idk", ref),
            "z_ref": lambda: self.z_ref(theta, ref, beta or 0.0),
        }
        retain = {
            "logp": lambda: self.logp("X_retain", "y_retain", theta),
            "logits": lambda: _two_class(self.logit("X_retain", theta)),
            "ref_logits": lambda: _two_class(self.logit("X_retain", ref)),
        }
        asked = {plain_name(name) for name in needs(objective.forget)}
        given = {name: quantity() for name, quantity in forget.items() if name in asked}
        kept = {name: quantity() for name, quantity in retain.items() if name in objective.retain_needs}
        return objective(given, kept).total

    def z_ref(self, theta: torch.Tensor, ref: torch.Tensor, beta: float) -> torch.Tensor:
        """β E KL(π_θ ‖ π_ref), without gradient."""
        with torch.no_grad():
            return beta * _kl(self.logit("X_forget", theta), self.logit("X_forget", ref)).mean()

    def unlearn(
        self, objective: Objective, lr: float, beta: float | None, thetas: tuple[np.ndarray, np.ndarray], steps: int
    ) -> dict[str, np.ndarray]:
        """The columns of a Trajectory."""
        ref, retrain = map(torch.tensor, thetas)
        theta, rows = ref.clone().requires_grad_(), []
        for k in range(steps + 1):
            if k % EVERY == 0 or k == steps:
                rows.append((k, *self.measure(theta.detach(), ref, retrain)))
            if k < steps:
                (grad,) = torch.autograd.grad(self.loss(objective, theta, ref, beta), theta)
                theta = (theta - lr * grad).detach().requires_grad_()
        return dict(zip(COLUMNS, np.array(rows).T, strict=True))

    def measure(self, theta: torch.Tensor, ref: torch.Tensor, retrain: torch.Tensor) -> tuple[float, ...]:
        """Four mean KLs and two distances."""
        kls = [
            float(_kl(self.logit(X, base), self.logit(X, theta)).mean())
            for base in (retrain, ref)
            for X in ("X_eval_forget", "X_eval_retain")
        ]
        return (*kls, float((theta - retrain).norm()), float((theta - ref).norm()))


def _two_class(z: torch.Tensor) -> torch.Tensor:
    return torch.stack([torch.zeros_like(z), z], dim=1)


def _kl(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """KL of the two-class distributions of two logits."""
    p, q = _two_class(a).log_softmax(1), _two_class(b).log_softmax(1)
    return (p.exp() * (p - q)).sum(1)


# --- ours ---------------------------------------------------------------------------------------------------------


def our_fits(problem: Problem, *, steps: int, compiled: bool) -> np.ndarray:
    """θ of π_ref and π_retr."""
    rows, runs = rows_of_fits(vars(problem), FIT_LR)
    return march(rows, columns(*runs), np.zeros((2, len(problem.theta_ref))), steps, compiled=compiled)


def our_methods(problem: Problem, alpha: float, *, steps: int, compiled: bool) -> dict[str, Trajectory]:
    """All twelve methods."""
    runs = {row.method: (row.objective(), row.lr) for row in table_1(alpha)}
    return unlearn_together(problem, runs, at=evaluated(steps, EVERY), compiled=compiled)


def whole_suite(compiled: bool) -> tuple[float, float]:
    """Seconds of 20 fits and of 10 × 12 methods, drawing the data included in the first."""
    fits = methods = 0.0
    for alpha in ALPHAS:
        for seed in SEEDS:
            started = time.perf_counter()
            sample = vars(draw(alpha=alpha, seed=seed))
            problem = problem_from_arrays(**sample, fit_steps=1)
            theta_ref, theta_retrain = our_fits(problem, steps=FIT_STEPS, compiled=compiled)
            fits += time.perf_counter() - started
            fitted = Problem(**{**vars(problem), "theta_ref": theta_ref, "theta_retrain": theta_retrain})
            started = time.perf_counter()
            our_methods(fitted, alpha, steps=STEPS, compiled=compiled)
            methods += time.perf_counter() - started
    return fits, methods


# --- comparing ----------------------------------------------------------------------------------------------------


def check_equal(obvious: Obvious, problem: Problem) -> None:
    """Print how far the curves of all methods are apart; end the program where it is too far."""
    theta = obvious.fit(("forget", "retain"), FITTED), obvious.fit(("retain",), FITTED)
    apart = max(
        float(np.abs(our_fits(problem, steps=FITTED, compiled=c) - np.stack(theta)).max()) for c in (True, False)
    )
    thetas, worst = (problem.theta_ref, problem.theta_retrain), 0.0
    ours = [our_methods(problem, 1.0, steps=UNLEARNED, compiled=c) for c in (True, False)]
    for row in table_1(1.0):
        theirs = obvious.unlearn(row.objective(), row.lr, row.beta, thetas, UNLEARNED)
        gaps = [np.abs(run[row.method].arrays()[n] - theirs[n]).max() for run in ours for n in COLUMNS]
        worst = max(worst, float(max(gaps)))
    print(
        f"largest difference: {apart:.1e} in θ after {FITTED} steps of fitting, {worst:.1e} in any curve of 12 methods"
    )
    if max(apart, worst) > 1e-10:
        sys.exit("The curves are not equal: no ratio means anything.")


def seconds(work: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Median seconds of each over alternating rounds."""
    found: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(ROUNDS):
        for name, run in work.items():
            started = time.perf_counter()
            run()
            found[name].append(time.perf_counter() - started)
    return {name: statistics.median(times) for name, times in found.items()}


def machine() -> str:
    """What this was measured on."""
    info = Path("/proc/cpuinfo")
    names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("numpy", "numba", "torch"))
    return f"{names[0] if names else 'unknown CPU'}, {os.cpu_count()} cores, one thread; {versions}"


def main() -> None:
    """Equal curves first, then the parts, then the whole suite."""
    torch.set_num_threads(1)
    print(machine())
    sample = draw(alpha=1.0, seed=1000)
    started = time.perf_counter()
    problem_from_arrays(**vars(sample), fit_steps=1)
    print(f"compiling: {time.perf_counter() - started:.1f} s, once a process, left out below")
    problem, obvious = problem_from_arrays(**vars(sample)), Obvious(sample)
    check_equal(obvious, problem)
    thetas = (problem.theta_ref, problem.theta_retrain)

    def obvious_fits() -> None:
        obvious.fit(("forget", "retain"), FITTED)
        obvious.fit(("retain",), FITTED)

    def obvious_methods() -> None:
        for row in table_1(1.0):
            obvious.unlearn(row.objective(), row.lr, row.beta, thetas, UNLEARNED)

    works: dict[str, Callable[[], object]] = {
        "draw": partial(obvious_draw, 1.0, 0),
        "fits, obvious": obvious_fits,
        "methods, obvious": obvious_methods,
    }
    for kind, compiled in (("numpy", False), ("compiled", True)):
        works[f"fits, {kind}"] = partial(our_fits, problem, steps=5 * FITTED, compiled=compiled)
        works[f"methods, {kind}"] = partial(our_methods, problem, 1.0, steps=10 * UNLEARNED, compiled=compiled)
    took = seconds(works)
    for kind in ("numpy", "compiled"):
        fits = 5 * took["fits, obvious"] / took[f"fits, {kind}"]
        methods = 10 * took["methods, obvious"] / took[f"methods, {kind}"]
        print(f"{kind:8s}  both fits {fits:5.1f} x faster, twelve methods {methods:5.1f} x faster than the obvious")
    steps = took["fits, obvious"] * FIT_STEPS / FITTED + took["methods, obvious"] * STEPS / UNLEARNED
    baseline = len(ALPHAS) * len(SEEDS) * (took["draw"] + steps)
    print(f"whole suite, obvious: {baseline / 60:.1f} min (extrapolated)")
    for kind, compiled in (("numpy", False), ("compiled", True)):
        parts = whole_suite(compiled)
        print(f"whole suite, {kind}: {sum(parts):.1f} s (fits {parts[0]:.1f}, methods {parts[1]:.1f}), "
              f"{baseline / sum(parts):.1f} x faster")  # fmt: skip


if __name__ == "__main__":
    main()
