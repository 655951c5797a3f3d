"""Claims on relearning a part T of what was unlearned: how much of the rest V comes back, and what tells it before.

In the logistic room, in a small transformer, and in real tofu-mini runs (`figures/data/relearn-part-tofu-mini.json`,
one of three forgotten authors relearnt by AdamW).
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from npo.ledger.judging.claim import FAILS, HOLDS, NOT_TESTABLE, Claim, Judgement, Results
from npo.ledger.judging.statistics import decided, holds_if
from records.store import Data
from synthetic.logistic import relearnt_part as linear
from synthetic.transformer.field import relearnt_part as network

__all__ = ["CLAIMS", "PLACE"]

PLACE = "llm/relearn-part/tofu-mini/"
RETRAINED = "retrained"
CONTROL = "control-s0"
ROUNDING = 1e-6  # nats
NEAR = 0.1  # how far a share may be from what is said of it
RANKED = 0.8  # a rank correlation that counts as an order
TIMES = 10.0  # by which more comes back than in the retrained model
RTT = 0.88  # of the accuracy on V, arXiv:2410.08827
FLOW = 0.05  # of T's rise, that finite steps may leave of the law along the path


def _data(results: Results) -> Data:
    (data,) = results.values()
    return data


# --- rooms --------------------------------------------------------------------------------------------------------


def _linear(data: Data, name: str) -> dict[str, np.ndarray]:
    runs = [f"{m}-{k:g}-{s}" for m in linear.MODELS for k in linear.COUPLINGS for s in data.values["seeds"]]
    return {run: data.arrays[f"{run}.{name}"] for run in runs}


def _relearnt_seeds(data: Data) -> list[int]:
    """The transformer's seeds whose parts were relearnt: the first of the room's."""
    return list(data.values["seeds"][: network.SEEDS])


def exact_in_a_linear_model(results: Results) -> Judgement:
    """The largest distance of what came back of a row from what the part's gain says, over all models."""
    data = _data(results)
    said, rise = _linear(data, "exact"), _linear(data, "rise")
    worst = max(float(np.abs(rise[run] - said[run]).max()) for run in rise)
    back = np.mean([x.mean() for run, x in rise.items() if "-0.1-" in run and not run.startswith(RETRAINED)])
    reason = f"{len(rise)} runs; at a coupling of 0.1, {back:.1f} of {linear.NATS:g} nats come back"
    return Judgement(holds_if(worst < ROUNDING), worst, seeds=tuple(data.values["seeds"]), reason=reason)


def share_of_the_coupling(results: Results) -> Judgement:
    """The largest distance of V's gain per nat of T from tκ/(1 + (t − 1)κ); means over seeds, unlearned or not."""
    data = _data(results)
    share, even = _linear(data, "share"), _linear(data, "even")
    off, said = 0.0, []
    for coupling in linear.COUPLINGS:
        of = [[f"{m}-{coupling:g}-{s}" for s in data.values["seeds"]] for m in linear.MODELS]
        means = [float(np.mean([share[run] for run in runs])) for runs in of]
        law = float(even[of[0][0]])
        off = max(off, *(abs(mean - law) for mean in means))
        said.append(f"{coupling:g}: {min(means):.2f} to {max(means):.2f} ({law:.2f})")
    reason = f"by coupling, least and most over models (law): {', '.join(said)}"
    return Judgement(holds_if(off < NEAR), off, seeds=tuple(data.values["seeds"]), reason=reason)


def kernel_on_the_way(results: Results) -> Judgement:
    """What is left of V's rise after ∫ P dr_T, as a share of T's rise; the most of models, data and seeds."""
    data, left, off = _data(results), 0.0, 0.0
    seeds = _relearnt_seeds(data)
    for run in [f"{d}-{m}-{s}" for d in network.DATA for m in network.MODELS for s in seeds]:
        part, rest, along, law = (data.arrays[f"{run}.{name}"][-1] for name in ("part", "rest", "along", "law"))
        left, off = max(left, abs(rest - along) / part), max(off, abs(rest - law) / part)
    return Judgement(holds_if(left < FLOW), left, seeds=tuple(seeds), reason=f"with the kernel at the start {off:.2f}")


def _beyond_the_retrained(results: Results, model: str) -> Judgement:
    """The coupling of unrelated answers in a model less that in the retrained one, seed by seed."""
    data = _data(results)
    seeds = _relearnt_seeds(data)
    found = {m: [float(data.arrays[f"random-{m}-{s}.coupling"]) for s in seeds] for m in network.MODELS}
    rises = [data.arrays[f"random-{model}-{s}.rest"][-1] for s in seeds]
    reason = ", ".join(f"{m} {np.mean(x):.2f}" for m, x in found.items())
    reason += f"; {np.mean(rises):.1f} nats an answer come back"
    return decided(list(np.subtract(found[model], found[RETRAINED])), seeds, reason)


def kernel_before_ranks(results: Results) -> Judgement:
    """Rank correlation of P₀ r_T with what came back, over models and data, seed by seed."""
    data, found = _data(results), []
    seeds = _relearnt_seeds(data)
    for seed in seeds:
        runs = [f"{d}-{m}-{seed}" for d in network.DATA for m in network.MODELS]
        law, rest = ([data.arrays[f"{run}.{name}"][-1] for run in runs] for name in ("law", "rest"))
        found.append(float(spearmanr(law, rest).statistic))
    return decided(found, seeds, f"{len(runs)} models a seed", least=RANKED - NEAR)


# --- tofu-mini ----------------------------------------------------------------------------------------------------


def _runs(results: Results) -> tuple[Mapping[str, Any] | None, dict[str, Mapping[str, Any]]]:
    """The retrained model's values, and those of the models that unlearned; the control is neither."""
    every = {name.removeprefix(PLACE): data.values for name, data in results.items()}
    every.pop(CONTROL, None)
    retrained = [values for values in every.values() if values["label"] == RETRAINED]
    unlearned = {name: values for name, values in every.items() if values["label"] != RETRAINED}
    return (retrained[0] if retrained else None), unlearned


def _judged(
    judge: Callable[[Mapping[str, Any], dict[str, Mapping[str, Any]]], Judgement],
) -> Callable[[Results], Judgement]:
    def judged(results: Results) -> Judgement:
        retrained, unlearned = _runs(results)
        if retrained is None or not unlearned:
            return Judgement(NOT_TESTABLE, None, reason="a retrained model and unlearned ones are needed")
        return judge(retrained, unlearned)

    return judged


def nats_are_foretold(retrained: Mapping[str, Any], unlearned: dict[str, Mapping[str, Any]]) -> Judgement:
    """Rank correlation over models of P₀ r_T with what came back of V; slope and largest factor beside it."""
    every = [retrained, *unlearned.values()]
    law, rise = (np.array([x[name][-1] for x in every]) for name in ("law", "rest_rise"))
    ranked, slope = float(spearmanr(law, rise).statistic), float(law @ rise / (law @ law))
    reason = f"{len(every)} models, {rise.min():.0f} to {rise.max():.0f} nats an answer, {slope:.2f} of what is told"
    if (law * rise > 0).all():
        reason += f", at most {np.exp(np.abs(np.log(law / rise)).max()):.2f} times off"
    reason += f"; retrained: {law[0]:.0f} told, {rise[0]:.0f} regained"
    return Judgement(holds_if(ranked > RANKED), ranked, reason=reason)


def rows_are_foretold(retrained: Mapping[str, Any], unlearned: dict[str, Mapping[str, Any]]) -> Judgement:
    """Median over unlearned models of the rank correlation over answers, nats a token."""
    del retrained
    found, whole = [], []
    for values in unlearned.values():
        tokens, rise, law = (np.array(values["rows"][name]) for name in ("tokens", "rise", "law"))
        found.append(float(spearmanr(law / tokens, rise / tokens).statistic))
        whole.append(float(spearmanr(law, rise).statistic))
    middle = float(np.median(found))
    reason = f"from {min(found):.2f} to {max(found):.2f}; of nats an answer, where length helps, {np.median(whole):.2f}"
    return Judgement(holds_if(middle > RANKED), middle, reason=reason)


def unlearning_coupled(retrained: Mapping[str, Any], unlearned: dict[str, Mapping[str, Any]]) -> Judgement:
    """The least coupling of authors in an unlearned model over that in the retrained one."""
    least = min(values["coupling"] for values in unlearned.values()) / retrained["coupling"]
    lost, coupling = (list(column) for column in zip(*_losses(unlearned), strict=True))
    reason = f"retrained {retrained['coupling']:.3f}, unlearned {min(coupling):.2f} to {max(coupling):.2f}"
    reason += f"; rank correlation with the nats lost {float(spearmanr(lost, coupling).statistic):.2f}"
    return Judgement(holds_if(least > 1), least, reason=reason)


def _losses(unlearned: dict[str, Mapping[str, Any]]) -> list[tuple[float, float]]:
    """Nats an answer of V lost before relearning, and the coupling, of each model."""
    return [(values["lost"]["rest"], values["coupling"]) for values in unlearned.values()]


def more_comes_back(retrained: Mapping[str, Any], unlearned: dict[str, Mapping[str, Any]]) -> Judgement:
    """The least probability of V in an unlearned model over that in the retrained one, at the end."""
    ratios = {name: values["rest"][-1] / retrained["rest"][-1] for name, values in unlearned.items()}
    reason = f"retrained {retrained['rest'][0]:.5f} → {retrained['rest'][-1]:.5f}; "
    reason += ", ".join(f"{name} {v['rest'][0]:.5f} → {v['rest'][-1]:.3f}" for name, v in unlearned.items())
    return Judgement(holds_if(min(ratios.values()) > TIMES), min(ratios.values()), reason=reason)


def most_accuracy_comes_back(retrained: Mapping[str, Any], unlearned: dict[str, Mapping[str, Any]]) -> Judgement:
    """Mean over unlearned models of V's token accuracy at the end, as a share of the finetuned model's."""
    shares = [values["rest_right"][-1] / values["finetuned_right"] for values in unlearned.values()]
    before = [values["rest_right"][0] / values["finetuned_right"] for values in unlearned.values()]
    kept = retrained["rest_right"][-1] / retrained["finetuned_right"]
    reason = f"from {min(shares):.2f} to {max(shares):.2f}, {np.mean(before):.2f} before; retrained {kept:.2f}"
    mean = float(np.mean(shares))
    return Judgement(HOLDS if mean >= RTT else FAILS, mean, reason=reason)


def _of_tofu(
    name: str,
    short: str,
    statement: str,
    measure: str,
    judge: Callable[[Mapping[str, Any], dict[str, Mapping[str, Any]]], Judgement],
    source: str = "theory/theorems/recovery/relearnt_part.py, on tofu-mini",
) -> Claim:
    return Claim(
        id=f"part-{name}",
        short=short,
        statement=statement,
        source=source,
        measure=measure,
        units=(f"{PLACE}*",),
        figure="recovery_part",
        judge=_judged(judge),
        command="python -m npo.runs.relearn_part FILE tofu-mini out/tofu-mini",
    )


def _of_room(unit: str, name: str, short: str, statement: str, measure: str) -> Callable[..., Claim]:
    return lambda judge: Claim(
        id=f"part-{name}",
        short=short,
        statement=statement,
        source="theory/theorems/recovery/relearnt_part.py",
        measure=measure,
        units=(unit,),
        figure="recovery_part",
        judge=judge,
    )


CLAIMS = (
    _of_room(
        "logistic/relearnt-part",
        "linear",
        "a relearnt part lifts the rest as features say",
        "In a linear model the margins of the rest rise by A_VT A_TT⁺ times those of the part, whatever unlearned.",
        f"largest distance over rows and models, nats (claimed < {ROUNDING:g})",
    )(exact_in_a_linear_model),
    _of_room(
        "logistic/relearnt-part",
        "share",
        "t rows of coupling κ lift by tκ/(1+(t−1)κ)",
        "Of each nat that t rows of coupling κ regain, each other row gets tκ/(1 + (t − 1)κ), in unlearned models "
        "as in the retrained one.",
        f"largest distance over couplings and models (claimed < {NEAR:g})",
    )(share_of_the_coupling),
    _of_room(
        "transformer/relearnt-part",
        "path",
        "the kernel on the way accounts for the rest",
        "In a small transformer ∫ K_VT K_TT⁺ dr_T accounts for what comes back of the rest.",
        f"what is left, as a share of the part's rise (claimed < {FLOW:g})",
    )(kernel_on_the_way),
    _of_room(
        "transformer/relearnt-part",
        "couples",
        "unlearning couples unrelated answers",
        "Ascent with a retain term gives answers that have nothing in common a tangent kernel in common, which a model "
        "retrained without them has not.",
        "coupling after GA+RT less that of the retrained model",
    )(partial(_beyond_the_retrained, model="GA+RT")),
    _of_room(
        "transformer/relearnt-part",
        "control",
        "ascent couples answers that nobody learnt too",
        "Ascent with a retain term gives answers that the model never knew such a kernel as well, so that what comes "
        "back through it need not be knowledge.",
        "coupling after GA+RT of the retrained model less that before",
    )(partial(_beyond_the_retrained, model=network.CONTROL)),
    _of_room(
        "transformer/relearnt-part",
        "before",
        "the kernel before ranks what comes back",
        "The kernel before the first step of relearning a part ranks models by what comes back of the rest.",
        f"rank correlation over models (claimed > {RANKED - NEAR:g})",
    )(kernel_before_ranks),
    _of_tofu(
        "nats",
        "the kernel before tells the nats that return",
        "In real models too, the kernel before the first step tells how many nats an answer the other authors regain.",
        f"rank correlation over models of told and regained nats (claimed > {RANKED:g})",
        nats_are_foretold,
    ),
    _of_tofu(
        "rows",
        "the kernel before tells which answers return",
        "The kernel before the first step tells which of the other authors' answers regain most, a token.",
        f"median over models of the rank correlation over answers (claimed > {RANKED:g})",
        rows_are_foretold,
    ),
    _of_tofu(
        "coupled",
        "unlearning couples the authors it forgets",
        "Every unlearned model couples the forgotten authors more than the retrained one does.",
        "least coupling over that of the retrained model (claimed > 1)",
        unlearning_coupled,
    ),
    _of_tofu(
        "restores",
        "one author relearnt brings the others back",
        "Relearning one of three forgotten authors makes the others at least ten times as likely as it does in the "
        "retrained model.",
        f"least probability over that of the retrained model (claimed > {TIMES:g})",
        more_comes_back,
    ),
    _of_tofu(
        "rtt",
        "a part relearnt restores 88 % of the accuracy",
        "Relearning a part of the facts restores 88 % of the accuracy on the rest.",
        f"token accuracy on the rest over the finetuned model's, mean over models (claimed ≥ {RTT:g})",
        most_accuracy_comes_back,
        source="arXiv:2410.08827, there multiple choice; on a tiny model here",
    ),
)
