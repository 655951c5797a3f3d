"""What unlearning runs come to, in three sentences: what is left, how near the retrained model, what is forgotten."""

from collections.abc import Mapping, Sequence

from npo.runs.run import UnlearningRun, rows_of

__all__ = ["findings"]

Measures = Mapping[str, float | None]


def findings(runs: Sequence[UnlearningRun]) -> list[str]:
    """Three sentences on the ends of the runs, means over seeds where there are several."""
    (_, finetuned), *ends = rows_of(runs)
    retrained = ends.pop(0)[1] if ends[0][0] == "retrained" else None
    rankable = not any(run.data.values["not_rankable"] for run in runs)
    return [_utility(finetuned, ends), _quality(ends, rankable=rankable), _forgotten(finetuned, retrained, ends)]


def _ordered(ends: Sequence[tuple[str, Measures]], measure: str) -> list[tuple[str, float]]:
    """Methods with a measure that they have, the largest first."""
    known = [(label, value) for label, values in ends if (value := values.get(measure)) is not None]
    return sorted(known, key=lambda end: -end[1])


def _utility(finetuned: Measures, ends: Sequence[tuple[str, Measures]]) -> str:
    start, known = finetuned.get("model_utility"), _ordered(ends, "model_utility")
    if not start or not known:
        return "Model utility was not measured, or there was none to lose."
    (best, most), (worst, least) = known[0], known[-1]
    others = f", {worst} least ({least / start:.0%})" if len(known) > 1 else ""
    verb = "keeps most" if len(known) > 1 else "keeps its part"
    return f"Of the finetuned model's utility of {start:.3g}, {best} {verb} ({most / start:.0%}){others}."


def _quality(ends: Sequence[tuple[str, Measures]], *, rankable: bool) -> str:
    known = _ordered(ends, "log10_forget_quality")
    if not known:
        return "Forget quality was not measured."
    best, log10 = known[0]
    nearest = f"{best} {'comes nearest to' if len(known) > 1 else 'is compared with'} the retrained model"
    caution = "" if rankable else ", a number that ranks nothing here"
    return f"On the forget set {nearest}: log₁₀ forget quality {log10:.3g} (0: they can't be told apart){caution}."


def _forgotten(finetuned: Measures, retrained: Measures | None, ends: Sequence[tuple[str, Measures]]) -> str:
    start, goal = finetuned.get("forget_probability"), (retrained or {}).get("forget_probability")
    known = _ordered(ends, "forget_probability")
    if start is None or (goal is None and retrained is not None) or not known:
        return "The probability of forget answers was not measured."
    (most, high), (least, low) = known[0], known[-1]
    left = f"{low:.3g} ({least}) to {high:.3g} ({most})" if len(known) > 1 else f"{low:.3g} ({least})"
    aim = "" if goal is None else f" and {goal:.3g} when retrained"
    return f"Forget answers, of probability {start:.3g} when finetuned{aim}, end at {left}."
