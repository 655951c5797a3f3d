"""Claims on the β of NPO+RT in language models: what its final drop owes to β, and what comes of the wanted drop.

Judged on kept sweeps over β, `figures/data/beta-sweep-*.json`: a model of a setting is unlearned at every β with the
same schedule. The wanted drop u* is that of the retrained model, mean log π_ref − log π_retr over the forget answers in
nats; β* is the β at which NPO+RT ends there, read off between the β that were run (log-log).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from npo.ledger.judging.claim import NOT_TESTABLE, Claim, Judgement, Results
from npo.ledger.judging.statistics import holds_if, mean_with_interval
from npo.ledger.language_model.few_authors import GOOD, KEPT
from records.examined import moments_of
from records.store import Data
from theory.theorems.time.intrinsic_time import curve, time_on_curve

__all__ = ["CLAIMS", "OFF", "PLACE", "Sweep", "at_wanted", "beta_claim", "from_law", "judged", "sweeps", "wanted_beta"]

PLACE, TOFU = "llm/beta/", "tofu/forget"
NEAR = 2.5  # a factor around β* within which the law is asked of a rule that chooses β
OFF = 1.25  # a factor by which a drop may miss the law's
ALIKE = 1.5  # a factor within which constants of different settings count as one
AS_WANTED = 1.2
PRESET = 0.1  # the paper's β

COMMAND = (
    'npo run SETTING "unlearn.methods=[GA+RT,{name: NPO+RT, beta: B},…]" unlearn.seeds=[0,1,2] evaluate=end '
    "evaluate.generate=end, kept by python -m npo.runs.keep"
)


class Sweep(NamedTuple):
    """One seed of a setting: its β in order, and what NPO+RT came to at each; u* in nats, utility as a share."""

    setting: str
    seed: int
    wanted: float
    beta: np.ndarray
    drop: np.ndarray
    log_quality: np.ndarray
    utility: np.ndarray
    degenerate: np.ndarray


def sweeps(results: Results) -> list[Sweep]:
    """Every seed of every setting in which NPO+RT's final drop passes the wanted one; others say nothing of β*."""
    groups: dict[tuple[str, int], list[Data]] = {}
    for name, data in results.items():
        if name.startswith(PLACE) and data.values["method"] == "NPO+RT":
            groups.setdefault((name.split("/")[2], int(data.values["seed"])), []).append(data)
    found = [_sweep(setting, seed, sorted(units, key=_beta)) for (setting, seed), units in sorted(groups.items())]
    return [s for s in found if s.drop.min() < s.wanted < s.drop.max()]


def _beta(data: Data) -> float:
    return float(data.values["beta"])


def _sweep(setting: str, seed: int, units: list[Data]) -> Sweep:
    def column(of: Callable[[Data], float | None]) -> np.ndarray:
        return np.array([of(unit) for unit in units], dtype=np.float64)

    def end(unit: Data, measure: str) -> float | None:
        return moments_of(unit.values)[-1].scores[measure]

    start = moments_of(units[0].values)[0].scores["model_utility"] or np.nan
    return Sweep(
        setting=setting,
        seed=seed,
        wanted=float(units[0].values["wanted"]["mean"]),
        beta=column(_beta),
        drop=column(lambda unit: unit.values["drop"][-1]),
        log_quality=column(lambda unit: end(unit, "log10_forget_quality")),
        utility=column(lambda unit: (end(unit, "model_utility") or 0.0) / start),
        degenerate=column(lambda unit: end(unit, "forget_degenerate")),
    )


def wanted_beta(sweep: Sweep) -> float:
    """β*, at which the final drop is the wanted one."""
    return float(np.exp(at_wanted(sweep, np.log(sweep.beta))))


def at_wanted(sweep: Sweep, y: np.ndarray, times: float = 1.0) -> float:
    """A measure at `times` β*, between the β that were run."""
    order = np.argsort(sweep.drop)
    log_beta = np.interp(np.log(sweep.wanted), np.log(sweep.drop[order]), np.log(sweep.beta[order]))
    return float(np.interp(log_beta + np.log(times), np.log(sweep.beta), y))


def from_law(sweep: Sweep, within: float = np.inf) -> float:
    """The largest factor between drops and βT = ½(βu + e^{βu} − 1), with the one T that leads to u* at β*.

    Of the β within a factor of β*.
    """
    star = wanted_beta(sweep)
    budget = time_on_curve(star * sweep.wanted) / star
    near = np.abs(np.log(sweep.beta / star)) <= np.log(within)
    off = np.log(sweep.drop / (curve(sweep.beta * budget) / sweep.beta))[near]
    return float(np.exp(np.abs(off).max(initial=0.0)))


def judged(results: Results, of: Callable[[Sweep], float], *, high: bool, holds: Callable[[float], bool]) -> Judgement:
    """Does it hold in the setting where its mean over seeds is worst (highest or lowest)? The reason has them all."""
    by: dict[str, list[Sweep]] = {}
    for sweep in sweeps(results):
        by.setdefault(sweep.setting, []).append(sweep)
    if not by:
        return Judgement(NOT_TESTABLE, None, reason="no sweep passes the wanted drop")
    means = {setting: float(np.mean([of(one) for one in found])) for setting, found in by.items()}
    worst = (max if high else min)(means, key=means.__getitem__)
    mean, interval = mean_with_interval([of(one) for one in by[worst]])
    reason = ", ".join(f"{setting} {value:.2g}" for setting, value in means.items())
    ends = {holds(x) for x in interval or (mean,)}
    if len(ends) > 1:
        reason += f"; {len(by[worst])} seeds can't tell"
    verdict = NOT_TESTABLE if len(ends) > 1 else holds_if(ends.pop())
    return Judgement(verdict, mean, interval, tuple(one.seed for one in by[worst]), reason)


def one_budget(results: Results) -> Judgement:
    """The law with one budget, over all β that were run."""
    return judged(results, from_law, high=True, holds=lambda factor: factor < OFF)


def one_budget_near(results: Results) -> Judgement:
    """The law with one budget, within a factor NEAR of β*: what choosing a β needs."""
    return judged(results, lambda sweep: from_law(sweep, NEAR), high=True, holds=lambda factor: factor < OFF)


def one_constant(results: Results) -> Judgement:
    """The largest β* u* of a setting over the smallest, means over seeds of their logarithms.

    Beside the sweeps, runs on the real TOFU that ended at the wanted drop within a factor AS_WANTED.
    """
    by: dict[str, list[float]] = {}
    for sweep in sweeps(results):
        by.setdefault(sweep.setting, []).append(np.log(wanted_beta(sweep) * sweep.wanted))
    for name, data in results.items():
        wanted = data.values.get("wanted", {}).get("mean") if name.startswith(TOFU) else None
        if wanted and abs(np.log(data.values["drop"][-1] / wanted)) < np.log(AS_WANTED):
            by.setdefault(name.split("/")[1], []).append(np.log(_beta(data) * wanted))
    if len(by) < 2:
        return Judgement(NOT_TESTABLE, None, reason="fewer than two settings have a β at which the drop is as wanted")
    means = {setting: float(np.exp(np.mean(logs))) for setting, logs in by.items()}
    ratio = max(means.values()) / min(means.values())
    reason = "β* u*: " + ", ".join(f"{setting} {value:.3g}" for setting, value in means.items())
    return Judgement(holds_if(ratio < ALIKE), ratio, reason=reason)


def quality_at_wanted(results: Results) -> Judgement:
    """log₁₀ forget quality at β*, where it is least."""
    return judged(results, lambda s: at_wanted(s, s.log_quality), high=False, holds=lambda q: q > np.log10(GOOD))


def utility_at_wanted(results: Results) -> Judgement:
    """The share of its utility that is left at β*, where it is least."""
    return judged(results, lambda s: at_wanted(s, s.utility), high=False, holds=lambda share: share >= KEPT)


def best_at_wanted(results: Results) -> Judgement:
    """The drop at the β of the best forget quality, in wanted drops."""

    def best(sweep: Sweep) -> float:
        return float(sweep.drop[int(np.nanargmax(sweep.log_quality))]) / sweep.wanted

    return judged(results, best, high=True, holds=lambda ratio: 1 / ALIKE < ratio < ALIKE)


def wrecked_beyond(results: Results) -> Judgement:
    """The share of degenerate answers at β*/4 less that at β*, where it is least."""

    def more(sweep: Sweep) -> float:
        return at_wanted(sweep, sweep.degenerate, 0.25) - at_wanted(sweep, sweep.degenerate)

    return judged(results, more, high=False, holds=lambda share: share > 0.25)


def preset_stops_short(results: Results) -> Judgement:
    """The drop at the paper's β as a share of the wanted one, where it is most."""

    def share(sweep: Sweep) -> float:
        return float(np.interp(np.log(PRESET), np.log(sweep.beta), sweep.drop)) / sweep.wanted

    return judged(results, share, high=True, holds=lambda ratio: ratio < 1 / ALIKE)


def beta_claim(
    name: str,
    short: str,
    statement: str,
    measure: str,
    judge: Callable[[Results], Judgement],
    also: tuple[str, ...] = (),
) -> Claim:
    return Claim(
        id=f"beta-{name}",
        short=short,
        statement=statement,
        source="theory/theorems/time/intrinsic_time.py; kept sweeps over β, NPO+RT under AdamW",
        measure=measure,
        units=(f"{PLACE}*", *also),
        figure="llm_beta_law",
        judge=judge,
        command=COMMAND,
    )


CLAIMS = (
    beta_claim(
        "one-budget",
        "one budget gives NPO+RT's drop at every β",
        "With one budget the intrinsic-time law gives NPO+RT's final drop for β over two decades, under AdamW.",
        f"largest factor between a final drop and the law's, T from the run at β* (claimed < {OFF})",
        one_budget,
    ),
    beta_claim(
        "one-budget-near",
        "one budget gives the drop near the right β",
        f"Within a factor of {NEAR} around the right β the law with one budget gives NPO+RT's final drop.",
        f"largest factor between a final drop and the law's, T from the run at β* (claimed < {OFF})",
        one_budget_near,
    ),
    beta_claim(
        "one-constant",
        "one constant β u* serves all language models",
        "NPO+RT ends at the wanted drop u* where β u* is one constant, whatever the model and its rows.",
        f"largest β* u* over the smallest, of the settings (claimed < {ALIKE})",
        one_constant,
        (f"{TOFU}*/NPO+RT,beta=*-s*",),
    ),
    beta_claim(
        "wanted-quality",
        "at the wanted drop the test can't tell",
        "Where NPO+RT drops as far as the retrained model, the test can't tell the two apart.",
        f"log₁₀ forget quality at β* (claimed > {np.log10(GOOD):.2g})",
        quality_at_wanted,
    ),
    beta_claim(
        "wanted-best",
        "the forget quality is best at the wanted drop",
        "Over β the forget quality is best where NPO+RT drops as far as the retrained model.",
        f"drop at the β of the best forget quality over the wanted drop (claimed within a factor of {ALIKE} of 1)",
        best_at_wanted,
    ),
    beta_claim(
        "wanted-utility",
        "at the wanted drop the utility is kept",
        "Where NPO+RT drops as far as the retrained model, the utility is kept.",
        f"model utility at β*, as a share of the finetuned model's (claimed ≥ {KEPT})",
        utility_at_wanted,
    ),
    beta_claim(
        "wrecked-beyond",
        "a β four times too small wrecks answers",
        "Beyond the wanted drop answers fall apart, while the forget quality does not tell.",
        "share of degenerate forget answers at β*/4 less that at β* (claimed > ¼)",
        wrecked_beyond,
    ),
    beta_claim(
        "preset-short",
        "the paper's β = 0.1 stops short in small models",
        f"The paper's β = {PRESET}, chosen on 7 billion parameters, stops small models short of the wanted drop.",
        "final drop at the paper's β over the wanted drop (claimed < ⅔)",
        preset_stops_short,
    ),
)
