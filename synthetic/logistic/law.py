"""The intrinsic-time law in the logistic room: single examples, the whole forget set, and what the set follows instead.

Units, and what each leaves:

    logistic/law               first seed and α. Paths as `theory.theorems.time.paths` saves them: single-<β>-<example>
    for
                               examples unlearned alone (β = 0: GA), set-<β> for the whole forget set, in float32
    logistic/order-<seed>      step (k,), and <β>-<example> (k,): how far plain gradient descent ends from the curve, in
                               βu (u for GA), where βη‖h‖² = `step`
    logistic/departure-<seed>  <α>-<noise>-<β>.<name> over recorded times, means over the forget set in nats: `drop`,
                               and what curve and clock make of it: `law`, with the remainder of equal labels
                               `agreeing`, with all of it `exact`; shares of examples that rise, u < 0 (`rising`), and
                               whose clock runs backward (`backward`); `time`; the rarer label's share (`minority`)
    logistic/margin-<seed>     <β>.{rate, before, margin, given_up} over a small forget set: β du/d log t over the last
                               decade of time and over the one before, margin_i / margin_min of the examples not given
                               up (else NaN), and which those are; <β>.reached, the time at the end
"""

from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import torch

from records.store import Data, save
from records.work import Progress, Unit
from synthetic.logistic.departure import SetPath, follow_set, relative_margins, signed_features
from synthetic.logistic.gaussians import draw
from synthetic.logistic.presets import N_FORGET, LogisticPreset, as_run, load_problem
from synthetic.logistic.problem import Problem, problem_from_arrays
from theory.logprobs import from_margins
from theory.theorems.time.intrinsic_time import curve, follow, weight_by_drop
from theory.theorems.time.paths import IntrinsicPath, to_arrays
from theory.weights import log_sigmoid, npo

__all__ = ["has_settled", "law_units"]

Array = np.ndarray
ORDER_STEPS = (0.4, 0.2, 0.1, 0.05, 0.025)
ORDER_UNTIL = 3.0  # βu; where plain descent is compared with the curve
SETTLED = 0.2  # rates of two decades that differ by less, for every example, have settled
FAR, PATIENCE = 1e12, 300_000  # Σ η to which small sets are followed, and steps that this may take


def law_units(preset: LogisticPreset, problems: Mapping[tuple[float, int], str]) -> list[Unit]:
    """The units of the law; `problems` are the units of the problems by α and seed."""
    every = asdict(preset)
    alpha, first = preset.alphas[0], preset.seeds[0]
    law = {k: v for k, v in every.items() if k.startswith(("law", "set"))}
    found = [Unit("logistic/law", law, partial(_law_unit, preset=preset), (problems[alpha, first],))]
    order = {k: every[k] for k in ("law_betas", "law_examples")}
    for seed in preset.seeds:
        run = partial(_order_unit, preset=preset, seed=seed)
        found.append(Unit(f"logistic/order-{seed}", order, run, (problems[alpha, seed],)))
    departure = {k: v for k, v in every.items() if k.startswith("departure") or k == "fit_steps"}
    cases = len(preset.departure_alphas) * len(preset.departure_noises) * len(preset.departure_betas)
    seconds = 0.01 * preset.departure_until * cases
    for seed in preset.seeds[: preset.departure_seeds]:
        run = partial(_departure_unit, preset=preset, seed=seed)
        found.append(Unit(f"logistic/departure-{seed}", departure | {"seed": seed}, run, seconds=seconds))
    margin = {k: v for k, v in every.items() if k.startswith("margin") or k == "fit_steps"}
    for seed in preset.seeds:
        run = partial(_margin_unit, preset=preset, seed=seed)
        found.append(Unit(f"logistic/margin-{seed}", margin | {"alpha": alpha, "seed": seed}, run))
    return found


# --- one example, and the set, on the law's own clock -----------------------------------------------------------


def _law_unit(folder: Path, inputs: Mapping[str, Path], progress: Progress, *, preset: LogisticPreset) -> None:
    singles = [(beta, i) for beta in preset.law_betas for i in preset.law_examples]
    (source,) = inputs.values()
    problem, arrays = load_problem(source), dict[str, Array]()
    total = len(singles) + len(preset.set_betas)
    for k, (beta, i) in enumerate(singles):
        progress(k, total)
        path = _in_intrinsic_time(problem, slice(i, i + 1), beta, preset.law_step, preset.law_until)
        arrays |= to_arrays(path, f"single-{beta:g}-{i}")
    for k, beta in enumerate(preset.set_betas):
        progress(len(singles) + k, total)
        path = _in_intrinsic_time(
            problem, slice(None), beta, preset.set_step, preset.law_until, max_steps=preset.set_steps
        )
        arrays |= {name: x.astype(np.float32) for name, x in to_arrays(path, f"set-{beta:g}").items()}
    values = as_run(preset, preset.alphas[0], preset.seeds[0]) | {
        "betas": preset.law_betas,
        "examples": preset.law_examples,
        "set_betas": preset.set_betas,
    }
    save(folder, Data(arrays, values | {"step": preset.law_step, "set_step": preset.set_step}))


def _in_intrinsic_time(
    problem: Problem, which: slice, beta: float, step: float, until: float, *, max_steps: int = 100_000
) -> IntrinsicPath:
    H = torch.from_numpy(problem.H_forget[which])
    sign = torch.from_numpy(2 * problem.y_forget[which] - 1)
    return follow(
        lambda p: from_margins(sign * (H @ p["theta"])),
        {"theta": torch.from_numpy(problem.theta_ref)},
        weight_by_drop(beta),
        step=step,
        until=until,
        scale=beta or 1.0,
        max_steps=max_steps,
    )


# --- one example under plain gradient descent -------------------------------------------------------------------


def plain_descent_gap(c: float, norm2: float, beta: float, step: float) -> float:
    """How far one example ends from the curve under a constant η, in βu (u for GA), at βu = ORDER_UNTIL.

    In its margin, m ← m + η ‖h‖² W a with a = σ(m − c); the clock adds η ‖h‖² a². `step` is βη‖h‖² (η‖h‖² for GA),
    the most that a step can move βu. The law is that of the flow, so the gap is of order η.
    """
    scale = beta or 1.0
    start, m, clock = float(log_sigmoid(c)), 0.0, 0.0
    eta = step / (scale * norm2)
    drop = 0.0
    while scale * drop < ORDER_UNTIL:
        a = 1 / (1 + np.exp(c - m))
        weight = float(npo(np.float64(-drop), beta=beta)) if beta else 1.0
        clock += eta * norm2 * a * a
        m += eta * norm2 * weight * a
        drop = start - float(log_sigmoid(c - m))
    predicted = float(curve(scale * clock)) if beta else clock
    return abs(scale * drop - predicted)


def _order_unit(
    folder: Path, inputs: Mapping[str, Path], progress: Progress, *, preset: LogisticPreset, seed: int
) -> None:
    (source,) = inputs.values()
    problem, arrays = load_problem(source), {"step": np.array(ORDER_STEPS)}
    c = -(signed_features(problem) @ problem.theta_ref)
    norms = (problem.H_forget**2).sum(axis=1)
    for k, beta in enumerate(preset.law_betas):
        progress(k, len(preset.law_betas))
        for i in preset.law_examples:
            gaps = [plain_descent_gap(float(c[i]), float(norms[i]), beta, step) for step in ORDER_STEPS]
            arrays[f"{beta:g}-{i}"] = np.array(gaps)
    save(folder, Data(arrays, as_run(preset, preset.alphas[0], seed)))


# --- the set: how far from the law, and why ---------------------------------------------------------------------


def _departure_unit(
    folder: Path, inputs: Mapping[str, Path], progress: Progress, *, preset: LogisticPreset, seed: int
) -> None:
    cases = [(alpha, noise) for alpha in preset.departure_alphas for noise in preset.departure_noises]
    arrays = dict[str, Array]()
    for k, (alpha, noise) in enumerate(cases):
        progress(k, len(cases))
        sample = draw(alpha=alpha, seed=seed, n_forget=N_FORGET, label_noise=noise)
        problem = problem_from_arrays(**vars(sample), fit_steps=preset.fit_steps)
        for beta in preset.departure_betas:
            path = follow_set(problem, beta=beta, until=preset.departure_until)
            label = f"{alpha:g}-{noise:g}-{beta:g}"
            arrays |= {f"{label}.{name}": x for name, x in _departed(path, beta).items()}
            arrays[f"{label}.minority"] = np.array(min(sample.y_forget.mean(), 1 - sample.y_forget.mean()))
    grids = {name: list(getattr(preset, f"departure_{name}")) for name in ("alphas", "noises", "betas")}
    save(folder, Data(arrays, as_run(preset, preset.alphas[0], seed) | grids))


def _departed(path: SetPath, beta: float) -> dict[str, Array]:
    """Means over the forget set at the recorded times: from the law to what happened, one part after the other.

    `law` is F⁻¹(T), `agreeing` F⁻¹(T + the remainder's part of equal labels), and with the other part it is `drop`.
    """

    def on_curve(time: Array) -> Array:
        return np.asarray(curve(beta * time).mean(axis=1) / beta)

    return {
        "time": path.time,
        "drop": path.drop.mean(axis=1),
        "law": on_curve(path.clock),
        "agreeing": on_curve(path.clock + path.agreeing),
        "exact": on_curve(path.clock + path.remainder),
        "rising": (path.drop < 0).mean(axis=1),
        "backward": (path.clock < 0).mean(axis=1),
    }


# --- a small set: the law that replaces Theorem 2 ---------------------------------------------------------------


def _margin_unit(
    folder: Path, inputs: Mapping[str, Path], progress: Progress, *, preset: LogisticPreset, seed: int
) -> None:
    alpha = preset.alphas[0]
    sample = draw(alpha=alpha, seed=seed, n_forget=preset.margin_examples)
    problem = problem_from_arrays(**vars(sample), fit_steps=preset.fit_steps)
    G, arrays = signed_features(problem), dict[str, Array]()
    for k, beta in enumerate(preset.margin_betas):
        progress(k, len(preset.margin_betas))
        path = follow_set(problem, beta=beta, until=FAR, max_steps=PATIENCE)
        given_up = path.margin[-1] < 0
        margins = np.full(len(G), np.nan)
        margins[~given_up] = relative_margins(G[~given_up])
        arrays |= {
            f"{beta:g}.rate": rate_in_decade(path, beta, 0),
            f"{beta:g}.before": rate_in_decade(path, beta, 1),
            f"{beta:g}.margin": margins,
            f"{beta:g}.given_up": given_up,
            f"{beta:g}.reached": path.time[-1:],
        }
    save(folder, Data(arrays, as_run(preset, alpha, seed) | {"betas": list(preset.margin_betas)}))


def has_settled(data: Data, label: str) -> bool:
    """Are the rates of a run of a margin unit those of the decade before?"""
    rate, before = (data.arrays[f"{label}.{name}"] for name in ("rate", "before"))
    return bool(np.abs(rate - before).max() < SETTLED)


def rate_in_decade(path: SetPath, beta: float, back: int) -> Array:
    """β du_i / d log t over the last decade of time, or over one so many decades before it."""
    ends = [path.time[-1] / 10 ** (back + 1), path.time[-1] / 10**back]
    start, stop = np.searchsorted(path.time, ends).clip(0, len(path.time) - 1)
    return np.asarray(beta * (path.drop[stop] - path.drop[start]) / np.log(path.time[stop] / path.time[start]))
