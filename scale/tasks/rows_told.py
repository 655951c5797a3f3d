"""What forgetting one's own rows has come to, in sentences made of the numbers.

Beside what every unlearning run leaves (`scale.stages.pipeline`) stands in its `data.json`:

    before, after    <set>_{probability, nll (nats a token), perplexity, truth_ratio where rows have wrong answers, and
                     whatever metric was added}; after: forget_drop (log π_ref − log π_θ, nats an answer), forget_kl,
                     retain_kl (nats a token)
    answers          list of {set, question, answer, before, after}
    rows             of each set: rows, repeated, cut, pieces, tokens, longest (`scale.data.user_sets`)
    said, unknown    what it has come to, in sentences; what can't be measured, and what it would take

and in its `data.npz` <set>.{before, after}_nll, one entry a piece.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from records.errors import UserError
from records.examined import kept_of
from scale.evaluation.results import finite
from scale.tasks.task import Ending, Told

__all__ = ["UNKNOWN", "findings", "remarks", "told"]

UNKNOWN = {
    "forget_quality": "needs a model that was retrained without these rows",
    "truth_ratio": "needs a paraphrase and wrong answers to each question",
    "model_utility": "needs TOFU's questions on real authors and world facts, or a benchmark of your own",
}
"""What can't be measured on one's own rows, and what it would take."""

HARDLY, PARTLY, WELL = 0.2, 0.5, 0.8
"""Mean probabilities of an answer's token below which a model hardly knew, partly knew, knew well what it was asked."""
_KNEW = {HARDLY: "hardly knew them", PARTLY: "knew them in part", WELL: "knew them well"}
GONE, LESS, SAME = 0.1, 0.5, 0.95
"""Shares of the probability before: at most so much is left where it is all but gone, has fallen, is a little less."""


ALIKE = 0.05
"""Forget quality above which two models are said not to be told apart, as in arXiv:2404.05868."""
_SUMMARY = ("probability", "nll", "perplexity")


def told(ending: Ending) -> Told:
    """Before and after, how far answers fell (log π_ref − log π_θ, nats an answer), sentences, what is not known.

    UserError where the run blew up and no epoch of it ended well.
    """
    values = ending.values
    if values["stopped"] and not ending.keeps_model:
        raise UserError(
            f"Forgetting blew up: {values['stopped']} There is no epoch before to go back to. Choose a smaller --lr."
        )
    nll = {name: ending.arrays[f"{name}.answer_nll"] for name in ending.looked.facts}
    at = kept_of(values)
    first, last = values["moments"][0], values["moments"][at]
    keys = [f"{name}_{key}" for name in nll for key in _SUMMARY]
    fallen = (nll["forget"][at] - nll["forget"][0]) * ending.arrays["forget.answer_tokens"][0]
    moved = {f"{name}_kl": last[f"{name}_kl"] for name in nll}
    rest = [key for key in first if key not in (*keys, *moved, "step", "epoch")]
    known = [name for name in UNKNOWN if any(key == name or key.endswith(f"_{name}") for key in rest)]
    found: dict[str, Any] = {
        "stopped": values["stopped"] and f"{values['stopped']} Choose a smaller --lr.",
        "before": {key: first[key] for key in (*keys, *rest)},
        "after": {key: last.get(key) for key in (*keys, *rest)}
        | {"forget_drop": finite(float(np.mean(fallen))), **moved},
        "answers": list(ending.answers),
        "rows": ending.looked.facts,
        "unknown": {name: why for name, why in UNKNOWN.items() if name not in known},
    }
    said = [
        *remarks(ending.looked.facts, max_length=ending.looked.max_length),
        *findings({**values, **found}, trains_on_retain=ending.trains_on_retain),
    ]
    arrays = {f"{name}.{when}_nll": nll[name][i] for name in nll for when, i in (("before", 0), ("after", at))}
    return Told({**found, "said": said}, arrays)


def remarks(rows: Mapping[str, Mapping[str, int]], *, max_length: int) -> list[str]:
    """What is to be known of the rows before anything is done: what was cut, what is there more than once."""
    said = []
    for name, facts in rows.items():
        if facts["cut"]:
            said.append(
                f"{facts['cut']} text(s) to {name} are longer than {max_length} tokens and were cut: {facts['rows']} "
                f"rows are {facts['pieces']} pieces."
            )
        if facts["repeated"] and name == "forget":
            said.append(f"{facts['repeated']} row(s) to forget repeat one before them, and count as often as they do.")
    return said


def findings(values: Mapping[str, Any], *, trains_on_retain: bool) -> list[str]:
    """Sentences: what it knew, what fell, what was kept, how far it moved, what can't be known."""
    before, after = values["before"], values["after"]
    said = [] if values["changed"] else ["Not one weight has changed: this is the model as it was."]
    said += _forgotten(before["forget_probability"], after["forget_probability"])
    if "retain_probability" in before:
        said += _kept(before["retain_probability"], after["retain_probability"])
        if not trains_on_retain:
            said.append(f"{values['method']} does not train on the rows to retain: they were measured alone.")
    else:
        said.append("No rows to retain were given (--retain), so what else it may have lost can't be told.")
    for name, measured in values["kl_rows"].items():
        of = values["rows"][name]["pieces"]
        part = f", on the first {measured} of {of} pieces" if measured < of else ""
        kl = after[f"{name}_kl"]
        said.append(f"What it predicts on rows to {name} has moved by {kl:.3g} nats a token (KL to before{part}).")
    if (quality := after.get("forget_quality")) is not None:
        alike = "can't be told apart" if quality > ALIKE else "can be told apart"
        said.append(
            f"The test against a model trained without these rows, by its log, has p = {quality:.2g}: the two {alike}."
        )
        return said
    said.append(
        "Whether it is now as if it had never seen these rows can't be known without a model trained without them."
    )
    return said


def _forgotten(before: float, after: float) -> list[str]:
    knew = next((said for below, said in _KNEW.items() if before < below), "knew them almost by heart")
    return [
        f"It gave these answers a probability of {before:.2g} a token before: it {knew}.",
        f"It gives them {after:.2g} now, {_share(before, after)}: "
        f"{'there was little to forget' if before < HARDLY else _fell(before, after)}.",
    ]


def _fell(before: float, after: float) -> str:
    share = after / before if before else 1.0
    if share > 1:
        return "they are likelier than before, so nothing is forgotten"
    if share > SAME:
        return "next to nothing is forgotten; more epochs or a higher --lr forget more"
    if share > LESS:
        return "a little is forgotten; more epochs or a higher --lr forget more"
    if share > GONE:
        return "much is forgotten"
    return "next to nothing of them is left"


def _kept(before: float, after: float) -> list[str]:
    share = after / before if before else 1.0
    if before < HARDLY:
        verdict = "it hardly knew them before, so there was little to keep"
    elif share > SAME:
        verdict = "they are kept"
    elif share > LESS:
        verdict = "some of it is lost"
    else:
        verdict = "much of it is lost; a lower --lr, fewer epochs or a higher --retain-weight keep more"
    return [f"Rows to retain had {before:.2g} a token before and have {after:.2g} now: {verdict}."]


def _share(before: float, after: float) -> str:
    return f"{100 * after / before:.0f} % of that" if before else "as before"
