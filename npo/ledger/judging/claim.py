"""What a claim is, what its judge says, and the line that it has in the ledger."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch

import numpy as np

from records.store import Data

__all__ = ["FAILS", "HOLDS", "NOT_TESTABLE", "ROOMS", "Claim", "Entry", "Judgement", "Results", "enter"]

HOLDS, FAILS, NOT_TESTABLE = "holds", "fails", "not testable here"

ROOMS = {
    "theory": "theory",
    "logistic": "logistic model",
    "transformer": "small transformer",
    "llm": "language model",
    "tofu": "TOFU from scratch",
    "smollm2": "SmolLM2-135M",
}
"""The rooms in order, with what readers call them."""

Results = Mapping[str, Data]
"""Saved data by unit name."""


@dataclass(frozen=True)
class Judgement:
    """A verdict with the number it rests on: its 95 % interval (None where there is no spread) and the seeds."""

    verdict: str
    effect: float | None
    interval: tuple[float, float] | None = None
    seeds: tuple[int, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class Claim:
    """A sentence, where it stands, and how it is judged.

    `units` are patterns of the unit names whose data `judge` reads; `measure` says what the effect is a number of.
    """

    id: str
    short: str  # the statement in 48 characters, for the terminal
    statement: str
    source: str
    measure: str
    units: tuple[str, ...]
    figure: str
    judge: Callable[[Results], Judgement]
    command: str = ""  # what makes its data, where that is not a step of the main job

    @property
    def room(self) -> str:
        """Where its data is made: a step of the main job, or `tofu` and `smollm2` for kept runs."""
        return self.units[0].split("/")[0]


Entry = dict[str, object]


def enter(claim: Claim, results: Results, seconds: Mapping[str, float], words: Mapping[str, str]) -> Entry:
    """The ledger's line for a claim; where a unit it needs is absent, that is what it says.

    `words` are, by step, what must follow `npo reproduce --only STEP` to make the same data again.
    """
    mine = {name: data for name, data in results.items() if any(fnmatch(name, p) for p in claim.units)}
    missing = [p for p in claim.units if not any(fnmatch(name, p) for name in mine)]
    not_run = Judgement(NOT_TESTABLE, None, reason=f"not run: {', '.join(missing)}")
    judged = not_run if missing else claim.judge(mine)
    return {
        "id": claim.id,
        "room": claim.room,
        "short": claim.short,
        "statement": claim.statement,
        "source": claim.source,
        "verdict": judged.verdict,
        "effect": None if judged.effect is None or not np.isfinite(judged.effect) else float(judged.effect),
        "measure": claim.measure,
        "interval": None if judged.interval is None else [float(x) for x in judged.interval],
        "seeds": list(judged.seeds),
        "reason": judged.reason,
        "command": claim.command or f"npo reproduce --only {claim.room} {words.get(claim.room, '')}".rstrip(),
        "figure": claim.figure,
        "seconds": round(sum(seconds.get(name, 0.0) for name in mine), 2),
    }
