"""What attacks brought back, level by level, as tables and sentences of an audit (`audit.json` has all of it)."""

from collections.abc import Mapping, Sequence
from typing import Any

from figures import audit as figure_of_audit

__all__ = ["after_attacks", "curve_tables", "shown", "with_interval"]

SHOWN = ("probability", "extraction_strength", "auc_loss", "leak_at_1")
"""Scores that the tables have, where they were measured; else all of them."""
Point = Mapping[str, float | None]
Table = tuple[str, tuple[str, ...], list[tuple[str, ...]]]
"""Title, head, lines."""


def curve_tables(told: Mapping[str, Any]) -> list[Table]:
    """A table an attack, a line a score and level."""
    return [_table(label, curve, told["models"]) for label, curve in told.get("attacks", {}).items()]


def _table(label: str, curve: Mapping[str, Any], models: Mapping[str, Any]) -> Table:
    beside = [name for name in ("retrained",) if name in models]
    robust = next(iter(curve["robustness"]), "")  # the form of the papers, before the symmetric one
    shares = [curve["recovered"].get(name, {}).get("model") or () for name in _names(curve)]
    back = ["way back"] if any(share is not None for by_level in shares for share in by_level) else []
    head = ("score", curve["axis"], "this model", *beside, *back, *filter(None, [robust.upper()]))
    lines = []
    for name in _names(curve):
        for i, level in enumerate(curve["levels"]):
            points = [_at(curve["scores"][name][who], i) for who in ("model", *beside)]
            more = [_later(curve["recovered"].get(name, {}).get("model"), i)] if back else []
            more += [_later(curve["robustness"][robust].get(name), i)] if robust else []
            lines.append((_words(name) if i == 0 else "", f"{level:.3g}", *map(with_interval, points), *more))
    return f"after {_named(label)}", head, lines


def _names(curve: Mapping[str, Any]) -> list[str]:
    return [name for name in SHOWN if name in curve["scores"]] or list(curve["scores"])


def _at(score: Mapping[str, Sequence[float | None]] | None, i: int) -> Point | None:
    """A curve at one level; None where it has no value."""
    return None if score is None or score["value"][i] is None else {key: values[i] for key, values in score.items()}


def _later(values: Sequence[float | None] | None, i: int) -> str:
    """What there is of levels after the first alone."""
    value = values[i - 1] if values and i else None
    return "" if i == 0 else "—" if value is None else f"{value:.2f}"


def after_attacks(told: Mapping[str, Any]) -> list[str]:
    """What each attack brought back at the most, in a sentence."""
    curves = told.get("attacks", {})
    said = [sentence for label, curve in curves.items() if (sentence := _sentence(label, curve))]
    if "retrained" not in told["models"] and any(curve["axis"] == "steps" for curve in curves.values()):
        said.append(
            "No retrained model was trained alike, so what was brought back can't be told from what was taught."
        )
    return said


def _sentence(label: str, curve: Mapping[str, Any]) -> str:
    name = _names(curve)[0]
    own, beside = (curve["scores"][name][who] for who in ("model", "retrained"))
    at = _told_of(curve, own["value"])
    if at is None:
        return ""
    level = f"{curve['levels'][at]:.3g}"
    counted = curve["axis"] in ("steps", "bits")
    axis = curve["axis"].removesuffix("s") if level == "1" else curve["axis"]
    said = f"After {_named(label)}, at {f'{level} ' if counted else ''}{axis}{'' if counted else f' {level}'}: "
    said += f"{_words(name)} {own['value'][0]:.3g} → {own['value'][at]:.3g}"
    back = (curve["recovered"].get(name, {}).get("model") or {at - 1: None})[at - 1]
    said += "" if back is None else f", {round(100 * back)} % of the way to the finetuned model's"
    if beside and None not in (beside["value"][0], beside["value"][at]):
        said += f"; the retrained model's {beside['value'][0]:.3g} → {beside['value'][at]:.3g}"
    return f"{said}."


def _told_of(curve: Mapping[str, Any], values: Sequence[float | None]) -> int | None:
    """The level with the most; of a mixture, which ends at the finetuned model, the one that keeps enough.

    Where none does, or none was looked for, the last before that end.
    """
    if curve["axis"] == "weight":
        levels, kept = curve["levels"], curve.get("kept_at", {}).get("weight")
        between = {level: i for i, level in enumerate(levels) if i and 0 < level < 1 and values[i] is not None}
        return between.get(kept, between[min(between)]) if between and values[0] is not None else None
    known = [(value, -i) for i, value in enumerate(values) if i and value is not None]
    return -max(known)[1] if known and values[0] is not None else None


def _named(label: str) -> str:
    """An attack's label for a reader.

    >>> _named("relearn"), _named("relearn,rows=related,file=more.jsonl")
    ('relearn', 'relearn (rows=related, file=more.jsonl)')
    """
    kind, *options = label.split(",")
    return f"{kind} ({', '.join(options)})" if options else kind


def _words(name: str) -> str:
    """A score as it is called where its family is not named."""
    return ("AUC of " if name.startswith("auc_") else "") + figure_of_audit.words(name)


def shown(score: Point | None) -> str:
    """A score as tables have it."""
    return "—" if score is None else f"{score['value']:.3g}"


def with_interval(score: Point | None) -> str:
    """A score with its interval, where it has one."""
    if score is None or score["low"] is None or score["low"] == score["high"]:
        return shown(score)
    return f"{score['value']:.3g} [{score['low']:.3g}, {score['high']:.3g}]"
