"""Every verdict function can say no: on data in which its claim is false, it does."""

import copy
from collections.abc import Callable
from fnmatch import filter as matching
from fnmatch import fnmatch
from functools import partial
from typing import Any

import numpy as np
import pytest
from audits_made_up import PLACE as AUDITED
from audits_made_up import audits, battery
from field_made_up import field_rooms
from kept_made_up import adam_sweeps, audited, beta_sweeps, pools, tofu_runs, wanted_drops
from optimisers_made_up import optimisers_made_up, place
from part_made_up import relearnt_parts
from practice_made_up import METHODS as FAMILY
from practice_made_up import family_rooms
from recovery_made_up import recovered_rooms
from rounding_made_up import rounded
from swept_rooms import swept_rooms

from npo.ledger import CLAIMS, Results, enter
from npo.ledger.judging.claim import FAILS, HOLDS, NOT_TESTABLE
from npo.ledger.judging.statistics import JudgedPath, from_the_law, mean_with_interval
from records.store import Data
from synthetic.logistic.fronts import hypervolume
from theory.methods import RIVALS
from theory.theorems.time.intrinsic_time import curve, time_on_curve
from theory.theorems.time.paths import IntrinsicPath, to_arrays

STEPS = np.arange(0.0, 2001.0, 25.0)
LONG_STEPS = np.append(0.0, np.geomspace(1, 1e6, 121))
ADAM_STEPS = np.append(0.0, np.geomspace(1, 3000, 80))
SEEDS = (1, 2, 3)
PAPER = {"fit_steps": 20_000, "steps": 2000}
LEAST = {
    "GA": 2e-3,
    "GA+RT": 2e-3,
    "IDK+RT": 0.7,
    "NPO": 2e-3,
    "NPO+RT": 1e-3,
    "DPO+RT": 2e-3,
    "DPO": 2e-3,
    "KTO": 2e-3,
}
RISE = {"GA": 2.0, "GA+RT": 0.6, "IDK+RT": 0.01, "NPO": 0.1, "NPO+RT": 0.001, "DPO+RT": 0.02, "DPO": 0.3, "KTO": 0.3}
LEVEL = ("NPO+RT", "DPO+RT", "IDK+RT")
AUTO = "NPO+RT,beta=auto"
FORGET_KL = {"GA": 50.0, "GA+RT": 40.0, "IDK+RT": 0.3}  # at the end; others 4


def _from_retrained(m: str, seed: int) -> np.ndarray:
    """‖θ − θ_retr‖: farther under ascent, nearer under all else."""
    done = np.minimum(STEPS / 800, 1)
    return 2 + 0.01 * seed + (0.5 if m.startswith("GA") else -0.5) * done


def _apart(seed: int) -> Data:
    """α = 1: distances as Section 4.2 describes them."""
    arrays, done = {}, np.minimum(STEPS / 800, 1)
    for m, least in LEAST.items():
        arrays[f"{m}.steps"] = STEPS
        arrays[f"{m}.forget_distance"] = 1.5 ** (1 - done) * least**done * (1 + 0.01 * seed)
        arrays[f"{m}.retain_distance"] = 0.02 + RISE[m] * (done if m in LEVEL else (STEPS / 2000) ** 2)
        if m in LEVEL:  # higher half-way: it is won back
            arrays[f"{m}.retain_distance"] *= 1 + (0.1 + 0.01 * seed) * np.sin(np.pi * STEPS / 2000)
        arrays[f"{m}.forget_kl"] = FORGET_KL.get(m, 4.0) * done * (1 + 0.01 * seed)
        arrays[f"{m}.parameter_distance"] = _from_retrained(m, seed)
    arrays["KTO+RT.retain_distance"] = arrays["NPO+RT.retain_distance"]
    return Data(arrays, PAPER | {"seed": seed, "alpha": 1.0})


def _together(seed: int) -> Data:
    """α = 0: both distances are one."""
    arrays = {}
    for m, least in LEAST.items():
        path = 0.05 - (0.05 - 10 * least * (1 + 0.01 * seed)) * np.minimum(STEPS / 800, 1)
        arrays |= {f"{m}.{column}": path for column in ("forget_distance", "retain_distance")}
        arrays[f"{m}.parameter_distance"] = _from_retrained(m, seed)
    return Data(arrays, PAPER | {"seed": seed, "alpha": 0.0})


def _against_ga(seed: int, t: np.ndarray, betas: list[float]) -> Data:
    """GA linear, NPO logarithmic, one start."""
    paths = {"GA": 1e-3 * t} | {f"NPO-{b:g}": np.log1p(b * 0.02 * t) / (20 * b) for b in betas}
    arrays = {f"{label}.steps": t for label in paths}
    for column in ("reference_distance", "forget_kl"):
        arrays |= {f"{label}.{column}": (1 + 0.01 * seed) * path for label, path in paths.items()}
    return Data(arrays, PAPER | {"seed": seed, "alpha": 1.0, "betas": betas})


def _figure3(seed: int) -> Data:
    return _against_ga(seed, np.arange(0.0, 10_001.0, 50.0), [0.01, 0.1, 0.2, 0.5])


def _long(seed: int) -> Data:
    return _against_ga(seed, LONG_STEPS, [0.5, 1.0])


def _order(seed: int) -> Data:
    step = np.array([0.4, 0.2, 0.1, 0.05])
    return Data({"step": step, "0-0": 0.2 * step, "0.5-0": 0.1 * step * (1 + 0.01 * seed)}, {"seed": seed})


def _departure(seed: int) -> Data:
    arrays, betas = {}, [0.1, 1.0, 5.0]
    for noise in (0.0, 0.4):
        for b in betas:
            drop = np.array([0.0, 3.0 / b])
            parts = {"drop": drop, "exact": drop, "law": drop * (1 - 0.1 * b - 0.001 * seed)}
            parts |= {"rising": np.array([0.0, 0.3]), "minority": np.array(0.3)}
            arrays |= {f"1-{noise:g}-{b:g}.{name}": x for name, x in parts.items()}
    return Data(arrays, {"seed": seed, "alphas": [1.0], "noises": [0.0, 0.4], "betas": betas})


def _margin(seed: int) -> Data:
    margin = np.array([1.0, 1.0, 1.4, 2.0, np.nan])
    rate = np.where(np.isfinite(margin), margin, 0.0) * (1 + 0.001 * seed)
    arrays = {f"0.5.{k}": v for k, v in {"margin": margin, "rate": rate, "before": rate}.items()}
    return Data(arrays, {"seed": seed, "betas": [0.5]})


def _on_curve(beta: float, noise: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    scale = beta or 1.0
    y = np.linspace(0.01, 6, 50)
    x = y if beta == 0 else time_on_curve(y)
    return x / scale, (y + noise) / scale


def _path(clock: np.ndarray, drop: np.ndarray, share: float | np.ndarray = 1.0) -> IntrinsicPath:
    """Of one example, at a share of the clock that its drop asks for; the remainder is the rest."""
    return IntrinsicPath(clock, *(x[:, None] for x in (share * clock, drop, (1 - share) * clock)))


def _law() -> Data:
    arrays = {}
    for beta in (0.0, 0.5):
        arrays |= to_arrays(_path(*_on_curve(beta)), f"single-{beta:g}-0")
    arrays |= to_arrays(_path(*_on_curve(0.5), share=0.3), "set-0.5")
    values = {"betas": [0.0, 0.5], "examples": [0], "set_betas": [0.5], "step": 0.02, "set_step": 0.04, "seed": 1}
    return Data(arrays, values)


def _sets(beta: float) -> Data:
    """GA a power of t, NPO on the curve in a clock that ticks evenly; what should stay goes with the drop."""
    mean = np.linspace(0, 60, 120)
    scale = beta or 1.0
    reached = time_on_curve(scale * mean)[:, None] / scale
    arrays = {}
    for seed in SEEDS:
        time = np.sqrt(mean / 20) if not beta else reached[:, 0]
        run = {
            "time": (1 + 0.01 * seed) * time,
            "drop": mean[:, None],
            "clock": 0.3 * reached,
            "remainder": 0.7 * reached,
            "steps": np.arange(120.0),
            "retain_accuracy": np.clip(1 - mean / (40 if beta else 36), 0, 1),
        }
        arrays |= {f"{seed}.{name}": x for name, x in run.items()}
    return Data(arrays, {"seeds": list(SEEDS), "beta": beta, "scale": scale, "step": 0.1})


def _transformer() -> dict[str, Data]:
    found = {}
    seeds = {"seeds": list(SEEDS)}
    for beta in (0.0, 0.5, 1.0):
        name = f"NPO-{beta:g}" if beta else "GA"
        path = _path(*_on_curve(beta))
        single = {key: x for seed in SEEDS for key, x in to_arrays(path, f"{seed}-0").items()}
        values = seeds | {"beta": beta, "scale": beta or 1.0, "step": 0.1}
        found[f"transformer/single-{name}"] = Data(single, values)
        found[f"transformer/set-{name}"] = _sets(beta)
        t = np.geomspace(1, 1e4, 60)
        u = np.log1p(0.1 * beta * t)[:, None] / (beta or 1.0)
        descent = {f"{seed}.{column}": x for seed in SEEDS for column, x in (("steps", t), ("drop", u))}
        found[f"transformer/descent-{name}"] = Data(descent, values)
    ga = np.linspace(0, 8, 30)[:, None]
    paths = {f"NPO-{b:g}": ga - b * ga**2 / 4 for b in (0.001, 0.01)} | {"GA": ga}
    limit = {f"{name}-{seed}.drop": x for name, x in paths.items() for seed in SEEDS}
    found["transformer/limit"] = Data(limit, seeds | {"betas": [0.001, 0.01]})
    return found | _optimisers() | _language()


def _optimisers() -> dict[str, Data]:
    t = ADAM_STEPS
    log = 15 * np.log1p(t)
    drops = {
        "Adam-0.99-slow": (0.01 * t, 0.0093 * t, 0.99),
        "Adam-0.99": (0.2 * t, 80 * (1 - np.exp(-t / 20)) - 5 * np.log(0.99) * t, 0.99),
        "Adam": (0.2 * t, log, 0.999),
        "AMSGrad": (0.2 * t, log, 0.999),
        "Adam-0.99-eps": (0.2 * t, log, 0.99),
        "Adam-0.99+RT": (0.2 * t, log, 0.99),
    }
    found = {}
    for name, (ga, npo, beta2) in drops.items():
        runs = {f"{m}-{seed}": u for m, u in (("GA", ga), ("NPO", npo)) for seed in SEEDS}
        arrays = {f"{label}.drop": u[:, None] for label, u in runs.items()}
        arrays |= {f"{label}.{name}": x for label in runs for name, x in (("steps", t), ("retain_nll", 1 / (1 + t)))}
        values = {"seeds": list(SEEDS), "beta": 0.1, "beta2": beta2, "optimizer": name, "retain": "+RT" in name}
        found[f"transformer/optimizer-{name}"] = Data(arrays, values)
    return found


def _language() -> dict[str, Data]:
    """Shares of right, well-formed, refusals, gibberish at the end."""
    ends = {
        "GA": ((0, 0, 0, 1), (0.1, 0, 0, 0.9)),
        "NPO": ((0, 0.2, 0, 0.8), (0.5, 0, 0, 0.5)),
        "GA+RT": ((0, 0.1, 0, 0.9), (0.9, 0, 0, 0.1)),
        "NPO+RT": ((0, 0.7, 0, 0.3), (0.98, 0.02, 0, 0)),
    }
    found = {}
    for seed in SEEDS:
        arrays = {}
        for name, (forget, kept) in ends.items():
            tilt = 0.001 * seed * np.array([0, 1, 0, -1])
            arrays |= {f"{name}.forget_kinds": forget + tilt[None], f"{name}.retain_kinds": np.array([kept])}
        table = [{"method": name} for name in ends]
        found[f"transformer/methods-AdamW-0.5-{seed}"] = Data(arrays, {"seed": seed, "table": table})
        for overlap in (0.0, 1.0):
            u = np.linspace(0, 9, 10)
            right = np.clip(1 - (0.02 + 0.03 * overlap + 0.001 * seed * overlap) * u, 0, 1)
            arrays = {"NPO.drop": u[:, None], "NPO.retain_kinds": np.stack([right, 1 - right, 0 * u, 0 * u], axis=1)}
            found[f"transformer/overlap-{overlap:g}-{seed}"] = Data(arrays, {"seed": seed, "overlap": overlap})
    return found


def _llm() -> dict[str, Data]:
    def epochs(utility: list[float], quality: list[float]) -> list[dict[str, float]]:
        rows = zip(utility, quality, strict=True)
        return [
            {"step": i, "epoch": i, "model_utility": u, "forget_quality": q, "log10_forget_quality": float(np.log10(q))}
            for i, (u, q) in enumerate(rows)
        ]

    paths = {
        "GA": epochs([0.8, 0.3, 0.01], [1e-12, 1e-3, 1e-9]),
        "NPO": epochs([0.8, 0.5, 0.3], [1e-12, 1e-4, 1e-2]),
        "NPO+RT": epochs([0.8, 0.79, 0.78], [1e-12, 1e-9, 1e-8]),
        AUTO: epochs([0.8, 0.75, 0.7], [1e-12, 1e-3, 0.2]),
    }
    betas = {"GA": None, AUTO: 0.018}
    return {
        f"llm/unlearn/{m}-s0": Data(
            {}, {"label": m, "beta": betas.get(m, 0.1), "moments": p, "seed": 0, "not_rankable": []}
        )
        for m, p in paths.items()
    }


def _smollm2() -> dict[str, Data]:
    """Three seeds in which the paper's sentences on TOFU are true."""

    def run(method: str, seed: int, end: dict[str, float]) -> Data:
        keys = {"model_utility": 0.4, "forget_probability": 0.9, "retain_probability": 0.8, "forget_quality": 1e-12}
        start = keys | {"log10_forget_quality": -12.0, "forget_kl": 0.0, "retain_kl": 0.0}
        last = {name: x * (1 + 0.01 * seed) for name, x in (start | end).items()}
        moments = [{"step": i, "epoch": i, **scores} for i, scores in enumerate((start, last))]
        return Data({}, {"label": method, "seed": seed, "not_rankable": [], "moments": moments})

    ends = {
        "GA": {"model_utility": 0.01, "forget_kl": 8.0, "retain_kl": 7.0},
        "NPO": {"model_utility": 0.2, "forget_kl": 3.0, "retain_kl": 2.0},
        "NPO+RT": {"model_utility": 0.39, "forget_probability": 0.2, "forget_quality": 0.3},
        "IDK+RT": {"forget_probability": 0.8},
        "DPO+RT": {"forget_probability": 0.8},
    }
    ladder = {f"smollm2/law/head-{beta:g}": _rung(beta) for beta in (0.0, 0.5)}
    return ladder | {f"smollm2/{m}-s{seed}": run(m, seed, end) for m, end in ends.items() for seed in range(3)}


def _rung(beta: float) -> Data:
    """One answer on the curve, and a set off it by its remainder."""
    unit = beta or 1.0
    clock = np.geomspace(0.1, 50, 30) / unit
    drop = curve(unit * clock) / unit if beta else clock
    single, together = _path(clock, drop), _path(clock, drop, np.linspace(1, 0.1, 30))
    descent = {f"descent.{name}": x[:, None] for name, x in {"clock": clock, "drop": drop}.items()}
    arrays = to_arrays(single, "single") | to_arrays(together, "set") | descent
    return Data(arrays, {"rung": "head", "beta": beta, "step": 0.01})


def _loss_times() -> dict[str, Data]:
    """A dozen losses of each room: one answer on its law, several off theirs by their remainders."""
    names = [f"loss {k}" for k in range(12)]
    asked = np.geomspace(0.1, 50, 30)
    one, several = _path(asked, asked), _path(asked, asked, np.linspace(1, 0.3, 30))
    found = {}
    for unit in ("logistic/loss-times", "transformer/loss-times", "smollm2/losses"):
        arrays = {}
        for name in names:
            of_tokens = several if unit.startswith("transformer") else one
            for kind, path in (("single", one), ("set", several), ("tokens", of_tokens)):
                arrays |= to_arrays(path, f"{kind}-{name}") | {f"{kind}-{name}.asked": asked[:, None]}
        values = {"losses": names, "step": 0.1, "seed": 0}
        found[unit] = Data(arrays, values if unit.startswith("logistic") else values | {"tokens": names[:4]})
    return found


@pytest.fixture(scope="module")
def true_results() -> Results:
    """Data in which every claim is true; the theory's own, the others made by hand."""
    from theory.theorems import choices_of_beta as b
    from theory.theorems import demonstrations as d

    theory = {
        "theory/proposition-1": d.proposition_1(d.QUICK),
        "theory/theorem-2": d.theorem_2(d.QUICK),
        "theory/exponential-slowdown": d.exponential_slowdown(d.QUICK),
        "theory/intrinsic-time": d.intrinsic_time(d.QUICK),
        "theory/chosen-beta": b.chosen_beta(d.QUICK),
        "theory/adam-law": b.adam_s_law(d.QUICK),
    }
    results = {name: Data(arrays, {"seed": 0}) for name, arrays in theory.items()}
    made = {"methods-1": _apart, "methods-0": _together, "figure3": _figure3, "long": _long}
    made |= {"order": _order, "departure": _departure, "margin": _margin}
    results |= {f"logistic/{kind}-{seed}": make(seed) for kind, make in made.items() for seed in SEEDS}
    results |= {"logistic/law": _law()} | _transformer() | swept_rooms() | field_rooms() | _llm() | _smollm2()
    results |= _loss_times() | family_rooms() | relearnt_parts() | recovered_rooms() | rounded()
    results |= pools() | audited() | battery()
    return results | optimisers_made_up() | beta_sweeps() | tofu_runs() | wanted_drops() | audits()


def _judge(claim_id: str, results: Results) -> dict[str, Any]:
    (claim,) = (c for c in CLAIMS if c.id == claim_id)
    return enter(claim, results, {}, {})


def _of(claim_id: str, results: Results) -> Results:
    """The results for a claim: where Adam's own law is true for sweeps over β, the law of the flow is not."""
    if claim_id != "beta-adam":
        return results
    return {name: data for name, data in results.items() if not name.startswith("llm/beta/")} | adam_sweeps()


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda c: c.id)
def test_each_claim_holds_where_it_is_true(claim: Any, true_results: Results) -> None:
    entry = enter(claim, _of(claim.id, true_results), {}, {})
    assert entry["verdict"] == HOLDS, entry


def _set(unit: str, name: str, change: Callable[[Any], Any]) -> Callable[[dict[str, Any]], None]:
    def spoil(results: dict[str, Any]) -> None:
        for key in [k for k in results if k.startswith(unit)]:
            store = results[key].arrays if name in results[key].arrays else results[key].values
            store[name] = change(store[name])

    return spoil


def _one_way(unit: str, **changes: float) -> Callable[[dict[str, Any]], None]:
    """Change what is told of the answers that went alone."""
    return _set(unit, "singles", lambda singles: [one | changes for one in singles])


def _way(way: str, factor: float) -> Callable[[dict[str, Any]], None]:
    """Half of what one way unlearned is back after a multiple of its steps."""

    def changed(entries: dict[str, Any]) -> dict[str, Any]:
        more = {key: one | {"adam_half": factor * one["adam_half"]} for key, one in entries.items()}
        return {key: more[key] if one["way"] == way else one for key, one in entries.items()}

    return _set("llm/equal-drop/", "entries", changed)


def _all_seeds(unit: str, name: str, change: Callable[[Any], Any]) -> Callable[[dict[str, Any]], None]:
    def spoil(results: dict[str, Any]) -> None:
        for seed in SEEDS:
            _set(unit, f"{seed}.{name}", change)(results)

    return spoil


def _of_seeds(unit: str, name: str, change: Callable[[Any], Any]) -> Callable[[dict[str, Any]], None]:
    """Change a column of every seed, whose place in the name is {}."""

    def spoil(results: dict[str, Any]) -> None:
        for seed in SEEDS:
            _set(unit, name.format(seed), change)(results)

    return spoil


def _mixed_alike(results: dict[str, Any]) -> None:
    """No method loses anything of what is kept; in one seed their order is another."""
    arrays = results["transformer/mixing"].arrays
    arrays["GA-3.forget"], arrays["IDK+RT-3.forget"] = arrays["IDK+RT-3.forget"], arrays["GA-3.forget"]
    arrays.update({name: 0 * x + 0.9 for name, x in arrays.items() if name.endswith(".retain")})


def _epoch(unit: str, index: int, **changes: float) -> Callable[[dict[str, Any]], None]:
    return lambda results: results[unit].values["moments"][index].update(changes)


def _every_seed(method: str, **changes: float) -> Callable[[dict[str, Any]], None]:
    def spoil(results: dict[str, Any]) -> None:
        for seed in range(3):
            results[f"smollm2/{method}-s{seed}"].values["moments"][-1].update(changes)

    return spoil


def _swept(name: str, change: Callable[[Any, float], Any], setting: str = "") -> Callable[[dict[str, Any]], None]:
    """Change a value of every run of a sweep over β, of one setting or of all."""

    def spoil(results: dict[str, Any]) -> None:
        for unit in [unit for unit in results if unit.startswith(f"llm/beta/{setting}")]:
            values = results[unit].values
            values[name] = change(values[name], values["beta"])

    return spoil


def _swept_end(setting: str, **changes: float) -> Callable[[dict[str, Any]], None]:
    return _swept("moments", lambda x, beta: [x[0], x[1] | changes], setting)


def _all_runs(results: dict[str, Any], label: str, forget_set: str, name: str, value: Any) -> None:
    for unit in [
        u for u in results if u.startswith(f"tofu/{forget_set}") and u.rpartition("-s")[0].endswith(f"/{label}")
    ]:
        results[unit].values[name] = value


def _forgot(label: str, forget_set: str, more: Any = None, **changes: float) -> Callable[[dict[str, Any]], None]:
    """Change the end of every seed of a method on a forget set, or on all."""

    def spoil(results: dict[str, Any]) -> None:
        for seed in range(3):
            for unit in [u for u in results if u.startswith(f"tofu/{forget_set}") and u.endswith(f"/{label}-s{seed}")]:
                results[unit].values["moments"][-1].update(changes)
        if more:
            more(results)

    return spoil


def _grown(label: str, kl: Callable[[float], float]) -> Callable[[dict[str, Any]], None]:
    def spoil(results: dict[str, Any]) -> None:
        for unit in [u for u in results if u.startswith("tofu/forget05/") and f"/{label}-s" in u]:
            for moment in results[unit].values["moments"][1:]:
                moment["forget_kl"] = float(kl(moment["step"]))

    return spoil


def _grid_cell(name: str, loss: str, row: str, value: float) -> Callable[[dict[str, Any]], None]:
    """Another value in one cell of the losses × optimisers."""

    def spoil(results: dict[str, Any]) -> None:
        results["theory/atlas-grid"].arrays[name][place(loss, row)] = value

    return spoil


def _metric(
    name: str, told: Any, *, part: str = "auc", at: str = "as it is", of: str = "tofu-mini"
) -> Callable[[dict[str, Any]], None]:
    """Another number of a metric of the pools."""

    def spoil(results: dict[str, Any]) -> None:
        results[f"llm/pools/{of}"].values["metrics"][name][part][at][0] = told

    return spoil


SMOLLM2_POOLS = "tofu-smollm2-mini"


def _unseen_wrong_answers(of: str) -> Callable[[dict[str, Any]], None]:
    """A model that was taught wrong answers looks like one that was taught nothing."""
    return lambda results: (
        results[f"llm/pools/{of}"].values["models"]["wrong-answers-s3"]["states"]["as it is"].update(auc_loss=0.5)
    )


def _without(of: str, model: str) -> Callable[[dict[str, Any]], None]:
    """A model of the pools is gone."""
    return lambda results: results[f"llm/pools/{of}"].values["models"].pop(model)


def _all_apart(results: dict[str, Any]) -> None:
    """Two measures put every model that knows above every one that doesn't."""
    for name in ("truth_ratio_prob_mean", "auc_loss"):
        _metric(name, 1.0, of=SMOLLM2_POOLS)(results)


def _audited(name: str, state: str, **scores: float) -> Callable[[dict[str, Any]], None]:
    """Other scores of an audited model."""
    return lambda results: results["smollm2/audited"].values["models"][name]["states"][state].update(scores)


AT_1, AT_0, LONG = "logistic/methods-1", "logistic/methods-0", "logistic/long"


def _against_the_atlas(room: str, reading: str) -> Callable[[dict[str, Any]], None]:
    """What is measured stands in another order: the fastest loss of the family, gradient ascent, comes last."""
    column = {"speed": "drop", "damage": "retain_kl", "quality": "forget_distance"}[reading.removeprefix("equal-")]
    kept = {"forget_distance": "log10_forget_quality"}.get(column, column)

    def spoil(results: dict[str, Any]) -> None:
        for name in FAMILY:
            if room != "llm":
                _set(f"{room}/practice-", f"0.{name}.{column}", lambda x: 1e3 * x / x[-1] ** 2)(results)
                continue
            values = results[f"llm/family/AdamW/{name}-s0"].values
            if kept == "drop" and not name.startswith("GA"):
                values["drop"] = [1e4 * nats / values["drop"][-1] ** 2 for nats in values["drop"]]
            elif name.startswith("GA") and kept != "drop":
                for moment in values["moments"]:
                    moment[kept] /= 1e6

    return spoil


def _attacked(attack: str, level: int, value: float) -> Callable[[dict[str, Any]], None]:
    """The probability at a level of an attack, of one model or, by `*`, of all."""

    def spoil(results: dict[str, Any]) -> None:
        for name in (name for name in results if fnmatch(name, f"{AUDITED}attack/{attack}")):
            results[name].values["scores"]["probability"]["value"][level] = value

    return spoil


def _rounded(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """Another reading in every line of the kept models."""

    def spoil(results: dict[str, Any]) -> None:
        for unit in [unit for unit in results if unit.startswith("llm/rounding/")]:
            for line in results[unit].values["lines"]:
                line[name] = value

    return spoil


def _not_mixed(results: dict[str, Any]) -> None:
    for name in (name for name in results if fnmatch(name, f"{AUDITED}attack/*/mix")):
        results[name].values["kept_at"]["weight"] = 1.0


def _relearning(room: str) -> dict[str, Callable[[dict[str, Any]], None]]:
    """Of the claims that both small rooms judge."""
    made = partial(_set, f"{room}/relearning")
    rival = RIVALS[-1]
    return {
        f"recovery-time-{room}": made("NPO.time_full", lambda x: 1.5 * x),
        f"recovery-equal-drop-{room}": made("NPO.adam_half", lambda x: 2 * x),
        f"recovery-equal-steps-{room}": made("steps.NPO.drop", lambda x: 2 * x),
        f"recovery-retain-{room}": made("NPO+RT.gd_half", lambda x: 0.1 * x),
        f"recovery-rival-{room}": made("NPO, β = 0.1.gd_half", lambda x: 10 * x),
        f"recovery-rival-beta-{room}": made(f"{rival}.gd_half", lambda x: 2 * x),
        f"recovery-sam-{room}": made("NPO, SAM 0.01.gd_full", lambda x: 0.5 * x),
        f"recovery-sam-wide-{room}": made("NPO, SAM 0.1.gd_full", lambda x: 0.5 * x),
        f"recovery-sign-{room}": made("NPO, sign.gd_full", lambda x: 0.1 * x),
        f"recovery-evenness-{room}": made("SatImp.spread", lambda x: 100 * x),
    }


def _in_battery(unit: str, kind: str, name: str, **told: Any) -> Callable[[dict[str, Any]], None]:
    """Another score, or difference from the retrained model's, of the units of SmolLM2 that fit."""

    def spoil(results: dict[str, Any]) -> None:
        units = results["smollm2/battery"].values["units"]
        for values in (values[kind] for found, values in units.items() if fnmatch(found, unit)):
            for score in matching(values, name):
                values[score].update(told)

    return spoil


SPOIL: dict[str, Callable[[dict[str, Any]], object]] = {
    "battery-drawn-leak": _in_battery("audit/GA+RT-s0", "scores", "leak_at_8", value=0.05),
    "battery-greedy-alike": _in_battery("audit/NPO+RT-s0", "against_retrained", "leak_greedy", low=0.15, high=0.3),
    "battery-prefix-restores": _in_battery("audit/retrain", "scores", "probability_prefix", value=0.9),
    "battery-format-restores": _in_battery("audit/retrain", "scores", "probability_format", value=0.9),
    "battery-shallow": _in_battery("audit/NPO+RT-s0", "scores", "unlearning_depth", value=0.9, high=0.95),
    "battery-npo-nearer": _in_battery("audit/GA+RT-s0", "against_retrained", "*", value=0.0),
    "battery-relearnt-sooner": _in_battery("attack/retrain/relearn", "scores", "probability", value=[0.0, 0.5, 0.9]),
    "battery-part-restores": _in_battery(
        "attack/NPO-s0/relearn,rows=part", "scores", "probability", value=[1e-4, 0.0, 1e-4]
    ),
    "battery-retain-restores": _in_battery(
        "attack/*/relearn,rows=retain", "scores", "probability", value=[1e-4, 1e-4, 1e-4]
    ),
    "battery-rounding": _in_battery("attack/NPO-s0/quantise", "scores", "probability", value=[1e-4, 1e-4, 0.4]),
    "audit-membership-undershoots": lambda results: results[f"{AUDITED}audit/GA+RT-s0"].values.update(
        against_retrained={"auc_loss": {"value": -0.1, "low": -0.3, "high": 0.1}}
    ),
    "audit-retain-text-restores": lambda results: [
        _attacked("*/relearn,rows=retain", i, 0.002)(results) for i in (1, 2)
    ],
    "audit-rounding-restores-nothing": _attacked("NPO-s0/quantise", 2, 0.4),
    "audit-mixing-reorders": _not_mixed,
    "audit-relearnt-sooner": _attacked("retrain/relearn", 2, 0.7),
    "proposition-1": _set("theory/proposition-1", "loss_slack", lambda x: x - 1e-3),
    "theorem-2-ga": _set("theory/theorem-2", "GA.slack", lambda x: x - 1.0),
    "theorem-2-npo": _set("theory/theorem-2", "NPO.growth", lambda x: x * 1.5),
    "exponentially-slower": _set("theory/exponential-slowdown", "NPO-0.5.rate", lambda x: x * 0.8),
    "intrinsic-time-theory": _set("theory/intrinsic-time", "tanh network, 1.drop", lambda x: x * 1.5),
    "loss-times-logistic": _set("logistic/loss-times", "single-loss 3.asked", lambda x: 1.3 * x),
    "loss-times-sets-logistic": _set("logistic/loss-times", "set-loss 3.remainder", lambda x: 0 * x),
    "loss-times-transformer": _set("transformer/loss-times", "single-loss 3.asked", lambda x: 0.7 * x),
    "loss-times-tokens-transformer": _set("transformer/loss-times", "tokens-loss 3.remainder", lambda x: 0.5 * x),
    "loss-times-smollm2": _set("smollm2/losses", "single-loss 3.asked", lambda x: np.nan * x),
    "loss-times-tokens-smollm2": _set("smollm2/losses", "tokens-loss 3.clock", lambda x: 0.5 * x),
    "recovery-time-theory": _set("theory/relearning", "NPO.relearn", lambda x: 1.2 * x),
    "recovery-ratio-theory": _set("theory/relearning", "NPO.unlearn", lambda x: 0.5 * x),
    "recovery-plain-theory": _set("theory/relearning", "table.unlearn", lambda x: 2 * x),
    "recovery-time-llm": _one_way("llm/way-back/tofu-mini/head/GA", relearn=22.0),
    "recovery-ratio-llm": _one_way("llm/way-back/tofu-mini/head/NPO-0.5", unlearn=11000.0),
    "recovery-plain-llm": _one_way("llm/way-back/tofu-mini/head/NPO-0.5", plain_unlearn=800.0),
    "recovery-set-llm": _set("llm/way-back/tofu-mini/head/NPO-0.5", "set", lambda x: x | {"exact": 0.8}),
    "recovery-equal-drop-llm": _way("NPO, β = 0.1", 2.0),
    "recovery-retain-llm": _way("NPO+RT, β = 0.1", 0.5),
    "recovery-rival-llm": _way("SimNPO+RT", 0.5),
    "recovery-tokens-llm": _way("WGA", 0.7),
    "recovery-sam-llm": _way("NPO, SAM", 0.6),
    "recovery-sign-llm": _way("NPO, sign", 0.6),
    **_relearning("logistic"),
    **_relearning("transformer"),
    "recovery-tokens-transformer": _set("transformer/relearning", "WGA.gd_full", lambda x: 1e-3 * x),
    "chosen-beta": _set("theory/chosen-beta", "tanh network.slack", lambda x: x - 1.0),
    "chosen-beta-set": _set("theory/chosen-beta", "set.predicted", lambda x: 1.2 * x),
    "beta-under-adam": _set("theory/adam-law", "coordinate.drop", lambda x: 1.01 * x),
    "beta-by-probe": _set("theory/adam-law", "network.drop", lambda x: 1.3 * x),
    "adam-three-halves": _set("theory/adam-law", "law.slope", lambda x: x / 1.5),
    "rounding-law": _set("theory/rounding", "int4.kept", lambda x: 0.5 * x),
    "rounding-logistic": _set("logistic/rounding", "nf4.falls", lambda x: 0.5 * x),
    "rounding-transformer": _set("transformer/rounding", "int3.falls", lambda x: 0.5 * x),
    "rounding-from-four-bits": _set("transformer/rounding", "int4.back", lambda x: 0.1 * x),
    "rounding-restores": _rounded("rounded_moved", [[-90.0, 0.01]]),
    "rounding-multiplies": _rounded("rounded_moved", [[-89.0, 0.011]]),
    "rounding-lora": _rounded("rounded_moved", [[-89.0, 0.011]]),
    "rounding-on-the-grid": _rounded("again", [-90.0, 0.01]),
    "slowdown-adam": _grid_cell("kind", "NPO(1)", "Adam, ε = 0", 3.0),
    "slowdown-adam-speed": _set("theory/adam-regimes", "margins", lambda x: 1.2 * x),
    "slowdown-amsgrad": _grid_cell("coefficient", "NPO(0.1)", "AMSGrad", 15.0),
    "slowdown-floors": _grid_cell("kind", "WGA(1)", "Adam, σ = 0.1", 0.0),
    "slowdown-soul": _grid_cell("margin", "NPO(0.1)", "Sophia (SOUL)", 0.5),
    "slowdown-ngdiff": _grid_cell("coefficient", "CE-U", "NGDiff", 1e-3),
    "logistic-limit": _set("logistic/figure3", "NPO-0.01.reference_distance", lambda x: x + 3.0),
    "logistic-forget": _set(AT_1, "NPO.forget_distance", lambda x: x + 0.1),
    "logistic-retain": _set(AT_1, "NPO+RT.retain_distance", lambda x: x + (STEPS / 2000) ** 2),
    "logistic-pareto": _set(AT_1, "NPO+RT.retain_distance", lambda x: x + 0.5),
    "logistic-retain-free": _set(AT_1, "NPO.retain_distance", lambda x: x + 0.5),
    "logistic-retain-free-all": _set(AT_1, "KTO.retain_distance", lambda x: 0.1 * x),
    "logistic-overlap": _set(AT_0, "GA.retain_distance", lambda x: 1.5 * x),
    "logistic-overlap-best": _set(AT_0, "NPO+RT.forget_distance", lambda x: x + 0.1),
    "logistic-forget-kl": _set(AT_1, "GA+RT.forget_kl", lambda x: 0.01 * x),
    "logistic-divergence": _set(LONG, "GA.reference_distance", lambda x: np.log1p(x)),
    "logistic-divergence-kl": _set(LONG, "NPO-1.forget_kl", lambda x: x + 1e-3 * LONG_STEPS),
    "logistic-exponent": _set(LONG, "GA.reference_distance", lambda x: np.sqrt(x)),
    "intrinsic-time-order": _set("logistic/order", "0-0", lambda x: x**2),
    "departure-logistic": _set("logistic/departure", "1-0-5.exact", lambda x: 2 * x),
    "rarer-label-logistic": _set("logistic/departure", "1-0-1.rising", lambda x: x + 0.1),
    "margin-logistic": _set("logistic/margin", "0.5.margin", lambda x: 2 * x),
    "intrinsic-time-logistic": _set("logistic/law", "single-0.5-0.drop", lambda x: x + 1.0),
    "remainder-logistic": _set("logistic/law", "set-0.5.remainder", lambda x: 0 * x),
    "intrinsic-time-transformer": _set("transformer/single-NPO-1", "1-0.drop", lambda x: x + 1.0),
    "remainder-transformer": _set("transformer/set-NPO-1", "2.remainder", lambda x: 0 * x),
    "transformer-logarithmic": _set(
        "transformer/descent-NPO-1", "1.drop", lambda x: np.linspace(0, 9, len(x))[:, None] ** 9
    ),
    "transformer-clock": _set("transformer/set-NPO-1", "2.clock", lambda x: x**2),
    "transformer-ascent": _set("transformer/set-GA", "2.time", lambda x: x**4),
    "transformer-limit": _set("transformer/limit", "NPO-0.01-2.drop", lambda x: 0.5 * x),
    "transformer-collapse": _set("transformer/set-NPO-0.5", "3.time", lambda x: x / 1e5),
    "transformer-collapse-rate": _all_seeds("transformer/set-NPO-1", "time", lambda x: x**2),
    "transformer-equal-drop": _all_seeds("transformer/set-NPO-1", "retain_accuracy", lambda x: 0.5 * x),
    "adam-slow": _set("transformer/optimizer-Adam-0.99-slow", "NPO-2.drop", lambda x: 0.5 * x),
    "adam-linear": _set("transformer/optimizer-Adam-0.99", "NPO-1.drop", lambda x: 3 * x),
    "adam-early": _set("transformer/optimizer-Adam", "NPO-1.drop", lambda x: x**2),
    "amsgrad-logarithmic": _set("transformer/optimizer-AMSGrad", "NPO-3.drop", lambda x: np.expm1(x / 15)),
    "adam-epsilon": _set("transformer/optimizer-Adam-0.99-eps", "NPO-3.drop", lambda x: np.expm1(x / 15)),
    "adam-retain": _set("transformer/optimizer-Adam-0.99+RT", "NPO-3.drop", lambda x: np.expm1(x / 15)),
    "language-ascent": _set("transformer/methods-AdamW", "GA.retain_kinds", lambda x: 0 * x + 0.25),
    "language-kept": _set("transformer/methods-AdamW", "NPO+RT.forget_kinds", lambda x: 0 * x + 0.25),
    "language-readable": _set("transformer/methods-AdamW", "GA+RT.forget_kinds", lambda x: 0 * x + [0, 1, 0, 0]),
    "language-overlap": _set("transformer/overlap-0", "NPO.retain_kinds", lambda x: np.clip(4 * x - 3, 0, 1)),
    "descent-ascent-1": _set(AT_1, "GA+RT.parameter_distance", lambda x: x / x**2),
    "descent-ascent-0": _set(AT_0, "GA+RT.parameter_distance", lambda x: x / x**2),
    "npo-rt-nearer-1": _set(AT_1, "NPO+RT.parameter_distance", lambda x: x / x**2),
    "npo-rt-nearer-0": _set(AT_0, "NPO+RT.parameter_distance", lambda x: x / x**2),
    "part-linear": _set("logistic/relearnt-part", "GA-0.5-2.rise", lambda x: x + 0.1),
    "part-share": _of_seeds("logistic/relearnt-part", "NPO-0.5-{}.share", lambda x: x - 0.3),
    "part-path": _set("transformer/relearnt-part", "shared-GA+RT-2.rest", lambda x: 2 * x),
    "part-couples": _of_seeds("transformer/relearnt-part", "random-GA+RT-{}.coupling", lambda x: x - 0.8),
    "part-control": _of_seeds("transformer/relearnt-part", "random-control-{}.coupling", lambda x: x - 1.2),
    "part-before": _of_seeds("transformer/relearnt-part", "random-control-{}.rest", lambda x: -x),
    "part-nats": _set("llm/relearn-part/tofu-mini/GA-s0", "law", lambda x: [-nats for nats in x]),
    "part-rows": _set("llm/relearn-part/tofu-mini/", "rows", lambda rows: rows | {"law": rows["law"][::-1]}),
    "part-coupled": _set("llm/relearn-part/tofu-mini/retrained", "coupling", lambda x: 100 * x),
    "part-restores": _set("llm/relearn-part/tofu-mini/GA-s0", "rest", lambda x: [0.01 * p for p in x]),
    "part-rtt": _set("llm/relearn-part/tofu-mini/", "rest_right", lambda x: [0.5 * share for share in x]),
    "squeezing-unlikely": _of_seeds("transformer/squeezing", "unlikely-{}.falling", lambda x: 1 - x),
    "squeezing-memorised": _of_seeds("transformer/squeezing", "memorised-{}.falling", lambda x: 1 - x),
    "squeezing-end": _of_seeds("transformer/squeezing", "memorised-{}.same", lambda x: 1 - x),
    "npo-first-epoch": _of_seeds("transformer/weights", "{}.drop", lambda x: 5 * x),
    "npo-weights-known": _of_seeds("transformer/weights", "{}.drop", lambda x: x[:, ::-1]),
    "npo-short-answers": _of_seeds("transformer/short-answers", "both-{}.long", lambda x: x / 5),
    "npo-beta-of-a-token": _of_seeds("transformer/short-answers", "short-0.4-{}.short", lambda x: 2 * x),
    "stages-order": _of_seeds("transformer/stages", "GA-first-{}.kept", lambda x: 0.55 * x),
    "mixing-order": _mixed_alike,
    "saturation-over-importance": _of_seeds("transformer/saturation", "trade-saturation-{}.retain", lambda x: x / 2),
    "saturation-and-importance": _of_seeds(
        "transformer/saturation", "trade-saturation-{}.retain", lambda x: 0 * x + 0.9
    ),
    "importance-delays": _of_seeds("transformer/saturation", "escape-1-{}.law", lambda x: 3 * x),
    "traces-drawn": _of_seeds("transformer/traces", "NPO+RT-{}.logp", lambda x: x - 20),
    "traces-unrelated": _of_seeds("transformer/traces", "NPO+RT-{}.told_kept", lambda x: x / 2 + 0.25),
    "components-moved": _of_seeds("transformer/components", "NPO-{}.moved", lambda x: x[::-1]),
    "components-minor-stay": _of_seeds("transformer/components", "NPO-{}.relative", lambda x: x[::-1]),
    "components-minor-resist": _of_seeds("transformer/components", "NPO-{}.left", lambda x: x[::-1]),
    "bounded-recovers": _of_seeds("transformer/recovery", "NPO+RT-{}.loss", lambda x: np.sort(x)),
    "stages-order-logistic": _of_seeds("logistic/stages", "retain-{}.kept", lambda x: 0.34 * x),
    "bounded-recovers-logistic": _set(AT_1, "GA+RT.retain_distance", lambda x: x[::-1]),
    "bounded-all-recover": _set(AT_1, "DPO+RT.retain_distance", np.sort),
    "bounded-adapters": _set("logistic/bounded", "0.1.reference_distance", lambda x: np.geomspace(1, 9, len(x))),
    "tofu-npo-first-epoch": lambda results: _all_runs(results, "NPO", "forget05", "drop", [0.0, 20.0, 40.0]),
    "beta-ends-logistic": _all_seeds("logistic/beta", "tried_drop", lambda x: 0.5 * x),
    "beta-ends-transformer": _all_seeds("transformer/beta-NPO+RT-2", "tried_drop", lambda x: 0.5 * x),
    "beta-constant-logistic": _all_seeds("logistic/beta-NPO+RT-overlap", "drop", lambda x: 3 * x),
    "beta-constant-transformer": _all_seeds("transformer/beta-NPO+RT-2", "drop", lambda x: 3 * x),
    "beta-nearest-logistic": _all_seeds("logistic/beta-NPO", "forget_distance", lambda x: x[:, ::-1]),
    "beta-nearest-transformer": _all_seeds("transformer/beta-NPO", "forget_distance", lambda x: x[:, ::-1]),
    "beta-adam-logistic": _set("logistic/beta-NPO+RT-AdamW", "2.predicted", lambda x: 5 * x),
    "beta-adam-transformer": _set("transformer/beta-NPO+RT-AdamW", "2.predicted", lambda x: 5 * x),
    "beta-length-transformer": _all_seeds("transformer/beta-NPO+RT-10", "drop", lambda x: 3 * x),
    "llm-rankable": lambda results: results["llm/unlearn/GA-s0"].values.update(not_rankable=["It knows too little."]),
    "llm-ga-collapses": _epoch("llm/unlearn/GA-s0", -1, model_utility=0.7),
    "llm-npo-slower": _epoch("llm/unlearn/NPO-s0", -1, model_utility=0.0),
    "llm-npo-rt-keeps": _epoch(f"llm/unlearn/{AUTO}-s0", -1, model_utility=0.2),
    "llm-npo-rt-unlearns": _epoch(f"llm/unlearn/{AUTO}-s0", -1, forget_quality=1e-4),
    "rule-drop": _set("llm/wanted-drop/one", "rule", lambda rule: {"ended": {"0": 130.0, "1": 100.0}}),
    "rule-held-out": _set("llm/wanted-drop/two", "wanted", lambda drop: drop / 2),
    "rule-base": _set("llm/wanted-drop/two", "wanted", lambda drop: drop / 2),
    "rule-paraphrase": _set("llm/wanted-drop/one", "wanted", lambda drop: drop * 2),
    "beta-one-budget": _swept("drop", lambda x, beta: [0.0, x[-1] * (1.4 if beta > 0.2 else 1)]),
    "beta-one-budget-near": _swept("drop", lambda x, beta: [0.0, x[-1] * (beta / 0.02) ** 0.3]),
    "beta-one-constant": _swept("drop", lambda x, beta: [0.0, 3 * x[-1]], "other"),
    "beta-wanted-quality": _swept_end("other", log10_forget_quality=-2.0),
    "beta-wanted-best": _swept("moments", lambda x, beta: [x[0], x[1] | {"log10_forget_quality": -beta}], "one"),
    "beta-wanted-utility": _swept_end("one", model_utility=0.5),
    "beta-wrecked-beyond": _swept_end("other", forget_degenerate=0.3),
    "beta-adam": _swept("drop", lambda x, beta: [0.0, x[-1] * (0.5 if beta == 0.1 else 1)]),
    "beta-preset-short": _swept("drop", lambda x, beta: [0.0, 4 * x[-1]], "one"),
    "tofu-rankable": lambda results: results["tofu/forget01/GA-s1"].values.update(
        not_rankable=["It knows too little."]
    ),
    "tofu-ga-collapses": _forgot("GA", "forget10", model_utility=0.5),
    "tofu-npo-slower": _forgot("NPO", "forget01", model_utility=0.001),
    "tofu-npo-rt-keeps": _forgot(AUTO, "forget05", model_utility=0.1),
    "tofu-npo-rt-unlearns": _forgot(AUTO, "forget05", forget_quality=1e-3),
    **{
        f"tofu-npo-rt-unlearns-{name}": _forgot(AUTO, name, forget_quality=1e-3)
        for name in ("forget01", "forget05", "forget10")
    },
    "tofu-npo-rt-alone": _forgot("DPO+RT", "forget01", forget_quality=0.5),
    "tofu-wrecks-score": _forgot("GA", "", forget_quality=1e-9, more=_forgot("GA+RT", "", forget_quality=1e-9)),
    "tofu-retain-weight": _forgot("NPO+RT,retain_weight=5", "weights-", model_utility=0.1),
    "tofu-kl-ga": _grown("GA", np.log),
    "tofu-kl-npo": _grown("NPO", lambda t: t),
    "tofu-npo-moves-less": _grown("NPO", lambda t: 9 * t),
    "tofu-ga-gibberish": _forgot("GA", "forget05", forget_degenerate=0.3),
    "tofu-idk-refuses": lambda results: _all_runs(results, "IDK+RT", "forget01", "refusals", 0.1),
    "tofu-npo-rt-fluent": _forgot(AUTO, "forget10", forget_degenerate=0.4),
    "tofu-npo-rt-wrong": _forgot(AUTO, "forget10", forget_rouge=0.7),
    "tofu-npo-rt-readable": _forgot(AUTO, "forget01", forget_degenerate=1.0),
    "smollm2-rankable": lambda results: results["smollm2/GA-s0"].values.update(not_rankable=["It knows too little."]),
    "smollm2-ga-collapses": _epoch("smollm2/GA-s1", -1, model_utility=0.3),
    "smollm2-npo-slower": _every_seed("NPO", model_utility=0.001),
    "smollm2-npo-moves-less": _every_seed("NPO", retain_kl=9.0),
    "smollm2-npo-rt-keeps": _epoch("smollm2/NPO+RT-s2", -1, model_utility=0.2),
    "smollm2-npo-rt-forgets": _epoch("smollm2/NPO+RT-s0", -1, retain_probability=0.7),
    "smollm2-refusals-stay": _epoch("smollm2/DPO+RT-s0", -1, forget_probability=0.1),
    "smollm2-law": _set("smollm2/law/head-0.5", "single.drop", lambda x: 1.2 * x),
    "recovery-equal-steps-smollm2": _set("smollm2/law/head-0.5", "descent.drop", lambda x: 2 * x),
    "smollm2-law-sets": _set("smollm2/law/head-0.5", "set.remainder", lambda x: 0.5 * x),
    "smollm2-npo-rt-unlearns": _every_seed("NPO+RT", forget_quality=1e-4),
    **{
        f"practice-{reading}-{room}": _against_the_atlas(room, reading)
        for reading in ("speed", "damage", "quality", "equal-damage", "equal-quality")
        for room in ("logistic", "transformer", "llm")
    },
    "audit-smollm2-four-bits": _audited("unlearned/GA-s0", "four bits", probability=0.01),
    "audit-smollm2-relearned": _audited("unlearned/GA-s0", "relearned", probability=0.05),
    "audit-smollm2-undershoots": _audited("unlearned/GA-s0", "as it is", auc_min_k=0.5),
    "audit-smollm2-extracted": _audited("unlearned/NPO+RT-s0", "as it is", extraction_strength=0.05),
    "metric-extraction": _metric("probability", 0.9),
    "metric-truth-ratio": _metric("auc_loss", 0.96),
    "metric-min-k-plus-plus": _metric("auc_min_k_plus_plus", 0.93),
    "metric-other-words": _metric("extraction_strength", 0.9, part="auc_by_taught", at="other-words"),
    "metric-wrong-answers": _unseen_wrong_answers("tofu-mini"),
    "metric-four-bits": _metric("exact_memorization", 0.6, at="four bits"),
    "metric-membership-relearned": _metric("auc_loss", 0.6, at="relearned"),
    "metric-smollm2-wrong-answers": _unseen_wrong_answers(SMOLLM2_POOLS),
    "metric-smollm2-truth-ratio": _metric("auc_loss", 0.96, of=SMOLLM2_POOLS),
    "metric-smollm2-other-words": _metric(
        "extraction_strength", 0.9, part="auc_by_taught", at="other-words", of=SMOLLM2_POOLS
    ),
    "metric-smollm2-four-bits": _metric("exact_memorization", 0.6, at="four bits", of=SMOLLM2_POOLS),
    "metric-truth-ratio-relearned": _metric("truth_ratio_prob_mean", 0.8, part="R", at="symmetric"),
}


# Other ways to be false, for claims with more than one half.
ALSO_FALSE: dict[str, tuple[str, Callable[[dict[str, Any]], None]]] = {
    "Proposition 1 of a kernel that is not NPO": (
        "proposition-1",
        _set("theory/proposition-1", "off_the_kernels", lambda x: x + 1.0),
    ),
    "the plain law's β would do under Adam": (
        "beta-under-adam",
        lambda results: results["theory/adam-law"].arrays.update(
            {"coordinate.plain_drop": results["theory/adam-law"].arrays["coordinate.wanted"]}
        ),
    ),
    "Adam's late speed knows its learning rate": (
        "adam-three-halves",
        _set("theory/adam-law", "law.late_speed", lambda x: x * [1, 1, 2]),
    ),
    "a set's remainder does not account for its end": (
        "chosen-beta-set",
        _set("theory/chosen-beta", "set.slack", lambda x: x - 1.0),
    ),
    "GA's steps grow exponentially": (
        "exponentially-slower",
        _set("theory/exponential-slowdown", "GA.steps", lambda x: np.exp(np.arange(1.0, len(x) + 1))),
    ),
    "descent is not the flow": (
        "exponentially-slower",
        _set("theory/exponential-slowdown", "NPO-1.steps_of_descent", lambda x: 2 * x),
    ),
    "NPO's margin leaves its bounds": (
        "theorem-2-npo",
        _set("theory/theorem-2", "NPO.slack", lambda x: x - 1.0),
    ),
    "fast Adam stays logarithmic": (
        "adam-linear",
        _set("transformer/optimizer-Adam-0.99", "NPO-1.drop", lambda x: 15 * np.log1p(ADAM_STEPS)[:, None]),
    ),
    "NPO+RT forgets and keeps nothing": (
        "language-kept",
        _set("transformer/methods-AdamW", "NPO+RT.retain_kinds", lambda x: 0 * x),
    ),
    "GA levels off": ("logistic-retain", _set(AT_1, "GA.retain_distance", lambda x: 0 * x + 0.1)),
    "IDK+RT reaches it too": ("logistic-forget", _set(AT_1, "IDK+RT.forget_distance", lambda x: x / 1e4)),
    "NPO linear in t": (
        "logistic-divergence",
        _set(LONG, "NPO-0.5.reference_distance", lambda x: x + LONG_STEPS),
    ),
    "NPO a power of t": ("logistic-exponent", _set(LONG, "NPO-0.5.reference_distance", lambda x: LONG_STEPS**0.7)),
    "IDK+RT goes as far": ("logistic-forget-kl", _set(AT_1, "IDK+RT.forget_kl", lambda x: 100 * x)),
    "the law errs as much at every β": (
        "departure-logistic",
        _set("logistic/departure", "1-0-0.1.law", lambda x: 9 * x),
    ),
    "margins are no better than 1": ("margin-logistic", _set("logistic/margin", "0.5.margin", lambda x: 1 / x)),
    "GA+RT wins kept rows back": (
        "bounded-recovers",
        _of_seeds("transformer/recovery", "GA+RT-{}.loss", lambda x: x[::-1]),
    ),
    "a bound keeps nothing": (
        "bounded-adapters",
        _set("logistic/bounded", "0.1.retain_distance", lambda x: 40 * x),
    ),
    "NPO collapses with GA": ("llm-npo-slower", _epoch("llm/unlearn/NPO-s0", -1, model_utility=0.1)),
    "GA does not collapse": ("llm-npo-slower", _epoch("llm/unlearn/GA-s0", -1, model_utility=0.5)),
    "GA unlearns as well": (
        "llm-npo-rt-unlearns",
        _epoch("llm/unlearn/GA-s0", 1, model_utility=0.8, forget_quality=0.3),
    ),
}


@pytest.mark.parametrize("way", ALSO_FALSE)
def test_each_half_of_a_claim_can_fail(way: str, true_results: Results) -> None:
    claim_id, spoil = ALSO_FALSE[way]
    spoilt = copy.deepcopy(dict(true_results))
    spoil(spoilt)
    assert _judge(claim_id, spoilt)["verdict"] == FAILS


UNDECIDED: dict[str, tuple[str, Callable[[dict[str, Any]], None]]] = {
    "another experiment than the paper's": ("logistic-forget", _set(AT_1, "alpha", lambda x: 0.0)),
    "models fitted for fewer steps": ("logistic-limit", _set("logistic/figure3", "fit_steps", lambda x: 10)),
    "two β only": ("logistic-limit", _set("logistic/figure3", "betas", lambda x: x[:2])),
    "neither level nor diverging": (
        "logistic-retain",
        _set(AT_1, "NPO+RT.retain_distance", lambda x: np.where(STEPS > 1500, 1.7 * x[len(x) // 2], x)),
    ),
    "a run shorter than GA's way to collapse": (
        "transformer-collapse",
        lambda results: results["transformer/set-NPO-1"].arrays.update(
            {"1.time": np.linspace(0, 0.5, 120), "1.retain_accuracy": np.ones(120)}
        ),
    ),
    "GA was not seen to collapse": (
        "transformer-collapse",
        _set("transformer/set-GA", "2.retain_accuracy", lambda x: 0 * x + 1),
    ),
    "NPO was not seen to collapse": (
        "transformer-collapse-rate",
        _set("transformer/set-NPO-1", "2.retain_accuracy", lambda x: 0 * x + 1),
    ),
    "GA was not followed": ("transformer-ascent", _set("transformer/set-GA", "2.drop", lambda x: x / 100)),
    "one β has no exponent": ("transformer-limit", _set("transformer/limit", "betas", lambda x: x[:1])),
    "too few steps of fast Adam": (
        "adam-linear",
        _set("transformer/optimizer-Adam-0.99", "NPO-1.steps", lambda x: x / 100),
    ),
    "fewer steps than Adam remembers": (
        "adam-early",
        _set("transformer/optimizer-Adam", "NPO-1.steps", lambda x: x / 10),
    ),
    "methods left out": ("language-kept", _set("transformer/methods-AdamW", "table", lambda x: x[:2])),
    "one overlap": ("language-overlap", _set("transformer/overlap-1", "NPO.drop", lambda x: x / 9)),
    "rates that still move": ("margin-logistic", _set("logistic/margin", "0.5.before", lambda x: x + 1.0)),
    "one β only": ("departure-logistic", _set("logistic/departure", "betas", lambda x: x[:1])),
    "large β only": ("rarer-label-logistic", _set("logistic/departure", "betas", lambda x: x[2:])),
    "fewer than ten losses": (
        "loss-times-logistic",
        _set("logistic/loss-times", "losses", lambda x: x[:9]),
    ),
    "no loss of tokens": ("loss-times-tokens-transformer", _set("transformer/loss-times", "tokens", lambda x: [])),
    "NPO+RT may leak a tenth more, or not": (
        "battery-greedy-alike",
        _in_battery("audit/NPO+RT-s0", "against_retrained", "leak_greedy", low=0.0, high=0.2),
    ),
    "several measures tell all models apart": ("metric-smollm2-truth-ratio", _all_apart),
    "one model was taught wrong answers": (
        "metric-smollm2-wrong-answers",
        _without(SMOLLM2_POOLS, "wrong-answers-s3"),
    ),
    "one model was taught in other words": ("metric-smollm2-other-words", _without(SMOLLM2_POOLS, "other-words-s4")),
    "no example followed": ("intrinsic-time-logistic", _set("logistic/law", "betas", lambda x: [])),
    "no set followed": ("remainder-logistic", _set("logistic/law", "set_betas", lambda x: [])),
}


@pytest.mark.parametrize("way", UNDECIDED)
def test_what_the_data_can_t_decide_is_not_decided(way: str, true_results: Results) -> None:
    claim_id, spoil = UNDECIDED[way]
    spoilt = copy.deepcopy(dict(true_results))
    spoil(spoilt)
    entry = _judge(claim_id, spoilt)
    assert entry["verdict"] == NOT_TESTABLE
    assert entry["reason"]


def test_one_seed_does_not_rank_methods(true_results: Results) -> None:
    one = {
        name: data
        for name, data in true_results.items()
        if name not in ("logistic/methods-1-2", "logistic/methods-1-3")
    }
    assert _judge("logistic-pareto", one)["verdict"] == NOT_TESTABLE


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda c: c.id)
def test_each_claim_fails_where_it_is_false(claim: Any, true_results: Results) -> None:
    spoilt = copy.deepcopy(dict(_of(claim.id, true_results)))
    SPOIL[claim.id](spoilt)
    assert enter(claim, spoilt, {}, {})["verdict"] == FAILS


def test_what_was_not_run_is_not_testable(true_results: Results) -> None:
    for claim in CLAIMS:
        entry = enter(claim, {}, {}, {})
        assert entry["verdict"] == NOT_TESTABLE
        assert "not run" in str(entry["reason"])


def test_methods_are_not_ranked_where_they_can_t_be(true_results: Results) -> None:
    spoilt = copy.deepcopy(dict(true_results))
    SPOIL["llm-rankable"](spoilt)
    entry = _judge("llm-ga-collapses", spoilt)
    assert (entry["verdict"], entry["reason"]) == (NOT_TESTABLE, "It knows too little.")


def test_npo_rt_is_judged_at_the_rule_s_beta_and_both_are_told(true_results: Results) -> None:
    entry = _judge("llm-npo-rt-unlearns", true_results)
    assert entry["reason"] == "β = 0.018, the rule's: 0.2; β = 0.1: 1e-08; GA: 0"
    assert entry["effect"] == 0.2
    assert _judge("llm-npo-rt-keeps", true_results)["reason"] == "β = 0.018, the rule's: 0.87; β = 0.1: 0.97"


@pytest.mark.parametrize(("left", "verdict"), [("NPO+RT", FAILS), (AUTO, HOLDS)])
def test_one_beta_alone_is_judged_too(left: str, verdict: str, true_results: Results) -> None:
    gone = AUTO if left == "NPO+RT" else "NPO+RT"
    one = {name: data for name, data in true_results.items() if name != f"llm/unlearn/{gone}-s0"}
    assert _judge("llm-npo-rt-unlearns", one)["verdict"] == verdict
    assert _judge("llm-npo-rt-keeps", one)["verdict"] == HOLDS


def test_seeds_that_disagree_decide_nothing(true_results: Results) -> None:
    spoilt = copy.deepcopy(dict(true_results))
    arrays = spoilt["logistic/methods-1-1"].arrays
    arrays["NPO.retain_distance"] = arrays["NPO.retain_distance"] + 0.5
    entry = _judge("logistic-retain-free", spoilt)
    assert entry["verdict"] == NOT_TESTABLE
    assert "seeds can't tell" in entry["reason"]


def test_entries_have_the_documented_fields(true_results: Results) -> None:
    entry = enter(CLAIMS[0], true_results, {"theory/proposition-1": 1.234}, {"theory": "--quick"})
    wanted = {"id", "room", "short", "statement", "source", "verdict", "effect", "measure", "interval", "seeds"}
    wanted |= {"reason", "command", "figure", "seconds"}
    assert wanted <= entry.keys()
    assert entry["seconds"] == 1.23
    assert entry["command"] == "npo reproduce --only theory --quick"
    assert len({c.id for c in CLAIMS}) == len(CLAIMS), "two claims have one id"
    assert {c.id for c in CLAIMS} == set(SPOIL), "a claim without a line of SPOIL, or a line without a claim"


def test_statistics() -> None:
    mean, interval = mean_with_interval([1.0, 2.0, 3.0])
    assert mean == 2.0
    assert interval is not None
    assert interval[1] - 2.0 == pytest.approx(4.302652729911275 / np.sqrt(3))  # t_{0.975, 2}, tabulated
    assert mean_with_interval([5.0]) == (5.0, None)
    # the triangle above the line from (1, 0) to (0, 1), and nothing from outside the corner
    line = np.linspace(0, 1, 11)
    assert hypervolume(line, 1 - line, (1.0, 1.0)) == pytest.approx(0.5, abs=5e-3)
    assert hypervolume(np.array([2.0, 3.0]), np.array([0.0, 0.0]), (1.0, 1.0)) == 0


@pytest.mark.parametrize("beta", [0.0, 0.5])
def test_the_distance_from_the_law_is_a_share_where_drops_have_no_unit(beta: float) -> None:
    clock, drop = (np.append(0.0, x) for x in _on_curve(beta))
    clock, drop = (beta or 1.0) * clock, (beta or 1.0) * drop
    off = JudgedPath(_path(clock, drop + 0.2 * clock if not beta else drop + 0.2), not beta, 0.1)
    assert from_the_law(off) == pytest.approx(0.2)  # of T, and of βu
    assert from_the_law(JudgedPath(_path(clock, drop), not beta, 0.1)) < 1e-12


def test_the_curve_used_here_is_the_law_s() -> None:
    clock, drop = _on_curve(0.5)
    np.testing.assert_allclose(curve(0.5 * clock), 0.5 * drop)
