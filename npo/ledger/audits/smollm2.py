"""Claims on an audit of SmolLM2-135M after unlearning, as it is, relearned and in four bits.

Judged on `figures/data/audited-tofu-smollm2-mini.json`, read by `npo.pools.read`: few questions, so the intervals over
them that the file has are wide.
"""

from collections.abc import Callable, Mapping
from typing import Any

from npo.ledger.judging.claim import NOT_TESTABLE, Claim, Judgement, Results
from npo.ledger.judging.statistics import holds_if

__all__ = ["CLAIMS", "UNIT"]

UNIT = "smollm2/audited"
NOW, RELEARNED, ROUNDED = "as it is", "relearned", "four bits"
PROBABILITY = "probability"
COMMAND = 'the commands in the "made" line of figures/data/audited-tofu-smollm2-mini.json'
ReadModels = Mapping[str, Mapping[str, Any]]


def _models(results: Results) -> ReadModels:
    found: ReadModels = results[UNIT].values["models"]
    return found


def _of(models: ReadModels, pool: str) -> dict[str, Mapping[str, Any]]:
    """States by name, of one pool."""
    return {str(one["name"]).removesuffix("-s0"): one["states"] for one in models.values() if one["pool"] == pool}


def _beside(models: ReadModels, pool: str) -> Mapping[str, Any]:
    return next(iter(_of(models, pool).values()))


def four_bits(results: Results) -> Judgement:
    """The share of the lost probability that four bits bring back, the most of unlearned models."""
    models = _models(results)
    before = _beside(models, "finetuned")[NOW][PROBABILITY]
    back = {
        name: (states[ROUNDED][PROBABILITY] - states[NOW][PROBABILITY]) / (before - states[NOW][PROBABILITY])
        for name, states in _of(models, "unlearned").items()
    }
    told = ", ".join(
        f"{name} {s[NOW][PROBABILITY]:.3g} → {s[ROUNDED][PROBABILITY]:.3g}"
        for name, s in _of(models, "unlearned").items()
    )
    return Judgement(holds_if(max(back.values()) > 0.5), max(back.values()), reason=f"probability: {told}")


def relearned(results: Results) -> Judgement:
    """What an unlearned model gains on relearning over what the retrained one gains, the least of unlearned models."""
    models = _models(results)
    if not all(RELEARNED in states for pool in ("retrained", "unlearned") for states in _of(models, pool).values()):
        return Judgement(NOT_TESTABLE, None, reason="not every model was read after relearning")
    usual = _gain(_beside(models, "retrained"))
    over = {name: _gain(states) - usual for name, states in _of(models, "unlearned").items()}
    told = ", ".join(f"{name} {x + usual:+.3f}" for name, x in over.items())
    return Judgement(holds_if(min(over.values()) > 0), min(over.values()), reason=f"{told}; retrained {usual:+.3f}")


def _gain(states: Mapping[str, Any]) -> float:
    return float(states[RELEARNED][PROBABILITY] - states[NOW][PROBABILITY])


def undershoots(results: Results) -> Judgement:
    """Min-K's AUC of gradient ascent less the retrained model's."""
    models = _models(results)
    aucs = {name: states[NOW]["auc_min_k"] for name, states in _of(models, "unlearned").items()}
    usual = _beside(models, "retrained")[NOW]["auc_min_k"]
    ascents = [aucs[name] - usual for name in ("GA", "GA+RT") if name in aucs]
    if not ascents:
        return Judgement(NOT_TESTABLE, None, reason="gradient ascent was not audited")
    told = ", ".join(f"{name} {x:.3f}" for name, x in aucs.items())
    return Judgement(holds_if(max(ascents) < 0), max(ascents), reason=f"{told}; retrained {usual:.3f}")


def extracted(results: Results) -> Judgement:
    """Extraction strength of NPO+RT less the retrained model's."""
    models = _models(results)
    usual = _beside(models, "retrained")[NOW]["extraction_strength"]
    found = {name: states[NOW]["extraction_strength"] for name, states in _of(models, "unlearned").items()}
    if "NPO+RT" not in found:
        return Judgement(NOT_TESTABLE, None, reason="NPO+RT was not audited")
    told = ", ".join(f"{name} {x:.3f}" for name, x in found.items())
    return Judgement(
        holds_if(found["NPO+RT"] > usual), found["NPO+RT"] - usual, reason=f"{told}; retrained {usual:.3f}"
    )


def _claim(
    name: str, short: str, statement: str, measure: str, judge: Callable[[Results], Judgement], source: str
) -> Claim:
    return Claim(
        id=f"audit-smollm2-{name}",
        short=short,
        statement=statement,
        source=source,
        measure=measure,
        units=(UNIT,),
        figure="audited_smollm2",
        judge=judge,
        command=COMMAND,
    )


CLAIMS = (
    _claim(
        "four-bits",
        "four bits bring back what was unlearned",
        "In four bits an unlearned SmolLM2-135M knows again most of what it had forgotten.",
        "share of the lost forget probability that NF4 brings back, the most of unlearned models (claimed > .5)",
        four_bits,
        "arXiv:2410.16454: 21 % to 83 % of the knowledge",
    ),
    _claim(
        "relearned",
        "unlearned models relearn more than retrained",
        "An epoch of relearning brings every unlearned SmolLM2-135M further than the retrained model.",
        "gain in probability of forget answers less the retrained model's, the least of unlearned models (claimed > 0)",
        relearned,
        "arXiv:2506.12618, Sec. 5",
    ),
    _claim(
        "undershoots",
        "ascent undershoots the retrained membership",
        "After gradient ascent rows to forget look less like members than after retraining.",
        "AUC of Min-K less the retrained model's, the largest of GA and GA+RT (claimed < 0)",
        undershoots,
        "open-unlearning issue 167; arXiv:2605.24614's published checkpoints",
    ),
    _claim(
        "extracted",
        "NPO+RT leaves more to extract than retraining",
        "NPO+RT leaves more of the forget answers to be extracted than retraining does.",
        "extraction strength less the retrained model's (claimed > 0)",
        extracted,
        "own question, on arXiv:2404.05868's method",
    ),
)
