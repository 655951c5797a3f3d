"""Claims on few bits: is knowledge that was unlearned back once weights are rounded, and by which law?

The law is `theory.theorems.rounding.law`. Models of language are kept runs (`npo.runs.rounding`), unlearned in full
precision; "on the grid" are those whose finetuned model was rounded before it was unlearned.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from npo.ledger.judging.claim import NOT_TESTABLE, Claim, Judgement, Results
from npo.ledger.judging.statistics import holds_if

__all__ = ["CLAIMS", "FOUR_BITS", "PLACE"]

PLACE = "llm/rounding/"
FOUR_BITS = ("int4", "nf4", "fp4")
GRIDS = ("int8", *FOUR_BITS, "int3")
KEPT_TO = 0.1
SMALL = 0.15
"""Cells, on average, that a move may have to count as small: almost no weight crosses half a cell."""

COMMAND = 'the "made" line of each figures/data/rounding-*.json'


class RoundedLine(NamedTuple):
    """A model on a grid: whose it is, and probabilities per token of forget answers at the places of a walk."""

    name: str
    grid: str
    size: float
    share: float
    known: float
    moved: float
    rounded: float
    born: tuple[float, float, float]  # on the grid before: known, moved, and rounded again


def lines(results: Results) -> Iterator[RoundedLine]:
    """Of every kept model at the full size of its move, those that did not come from few bits."""
    for unit, data in results.items():
        if not unit.startswith(PLACE):
            continue
        setting, label = unit.removeprefix(PLACE).split("/")
        for line in data.values["lines"]:
            if line["scale"] == 1 and line["born"] is None:
                yield _line(f"{label} on {setting}", line, data.values["known"])


def _line(name: str, line: dict[str, Any], known: list[float]) -> RoundedLine:
    before, after, expected = (np.array(line[k]) for k in ("rounded_known", "rounded_moved", "moved_rounded"))
    share = float((before - after)[:, 0].mean() / (before - expected)[:, 0].mean())
    born = (float(before[0, 1]), float(expected[0, 1]), float(line["again"][1]))
    return RoundedLine(
        name=name,
        grid=line["grid"],
        size=line["size"],
        share=share,
        known=known[1],
        moved=line["moved"][1],
        rounded=float(after[0, 1]),
        born=born,
    )


def law_keeps_moves(results: Results) -> Judgement:
    """The largest distance from 1 of the mean projection on the move; the variance's beside it."""
    a = results["theory/rounding"].arrays
    small = a["sizes"] < 0.5
    off = max(float(np.abs(a[f"{grid}.kept"] - 1).max()) for grid in GRIDS)
    spread = max(float(np.abs(a[f"{grid}.variance"][small] - 1).max()) for grid in GRIDS)
    lost = max(float(a[f"{grid}.again"][0]) for grid in GRIDS)
    reason = (
        f"variance within {spread:.1%} of the law; of weights on the grid before, {lost:.1%} of a small move is left"
    )
    return Judgement(holds_if(off < KEPT_TO and spread < 2 * KEPT_TO), off, reason=reason)


def logistic_keeps_the_drop(results: Results) -> Judgement:
    """The largest distance from 1 of the mean share at full size; the median of the smallest move beside it."""
    a = results["logistic/rounding"].arrays
    kept = {grid: float(a[f"{grid}.falls"][0].mean() / a[f"{grid}.expected"][0].mean()) for grid in GRIDS}
    few = {g: float(np.median(a[f"{g}.falls"][-1] / a[f"{g}.expected"][-1])) for g in FOUR_BITS}
    told = ", ".join(f"{grid} {x:.2f}" for grid, x in kept.items())
    least = ", ".join(f"{grid} {x:.2f}" for grid, x in few.items())
    off = max(abs(x - 1) for x in kept.values())
    return Judgement(holds_if(off < KEPT_TO), off, reason=f"{told}; a hundredth of the move, in the median: {least}")


def transformer_keeps_the_drop(results: Results) -> Judgement:
    """The largest distance from 1 of the mean share at full size; at a tenth of it beside it."""
    a = results["transformer/rounding"].arrays
    kept, less = ({g: float(a[f"{g}.falls"][i].mean() / a[f"{g}.expected"][i].mean()) for g in GRIDS} for i in (0, 2))
    told, tenth = (", ".join(f"{grid} {x:.2f}" for grid, x in found.items()) for found in (kept, less))
    off = max(abs(x - 1) for x in kept.values())
    return Judgement(holds_if(off < KEPT_TO), off, reason=f"{told}; a tenth of the move: {tenth}")


def transformer_from_four_bits(results: Results) -> Judgement:
    """What is back, the least over seeds, of small moves rounded to the same grid; three bits beside it."""
    a = results["transformer/rounding"].arrays
    back = {
        (grid, float(size)): float(x)
        for grid in FOUR_BITS
        for sizes, found in zip(a[f"{grid}.sizes"], a[f"{grid}.back"], strict=True)
        for size, x in zip(sizes, found, strict=True)
        if size < SMALL
    }
    least = min(back, key=lambda at: back[at])
    three = {float(size): float(x) for size, x in zip(a["int3.sizes"].mean(1), a["int3.from4"].mean(1), strict=True)}
    told = ", ".join(f"{x:.2f} at {size:.2g} cells" for size, x in sorted(three.items(), reverse=True)[:3])
    reason = f"{least[0]}, {least[1]:.2g} cells, of {len(back)}; in three bits after four: {told}"
    return Judgement(holds_if(back[least] > 0.5), back[least], reason=reason)


def judged(
    results: Results,
    number: Callable[[RoundedLine], float],
    holds: Callable[[float], bool],
    which: Callable[[RoundedLine], bool],
) -> Judgement:
    """The largest number over kept models on four-bit grids."""
    found = {f"{line.name} ({line.grid})": number(line) for line in lines(results) if which(line)}
    if not found:
        return Judgement(NOT_TESTABLE, None, reason="no kept model has such a move")
    most = max(found, key=lambda name: found[name])
    return Judgement(holds_if(holds(found[most])), found[most], reason=f"{most}; of {len(found)}")


def four_bits_restore(results: Results) -> Judgement:
    """Of the probability that unlearning took, what four bits bring back."""
    return judged(
        results,
        lambda line: (line.rounded - line.moved) / (line.known - line.moved),
        lambda back: back > 0.5,
        lambda line: line.grid in FOUR_BITS,
    )


def on_the_grid_all_is_back(results: Results) -> Judgement:
    """The same, the least, where the finetuned model was on the grid; small moves alone."""

    def lost(line: RoundedLine) -> float:
        known, moved, again = line.born
        return 1 - (again - moved) / (known - moved)

    def small(line: RoundedLine) -> bool:
        return line.grid in FOUR_BITS and line.size < SMALL

    found = judged(results, lost, lambda gone: gone < 0.5, small)
    return found if found.effect is None else found_as(found, 1 - found.effect)


def found_as(judgement: Judgement, effect: float) -> Judgement:
    """A verdict with another number."""
    return Judgement(judgement.verdict, effect, reason=judgement.reason)


def four_bits_multiply(results: Results) -> Judgement:
    """The largest factor by which four bits raise what is left of the probability."""
    return judged(
        results, lambda line: line.rounded / line.moved, lambda times: times > 2, lambda line: line.grid in FOUR_BITS
    )


def lora_survives_better(results: Results) -> Judgement:
    """The least share of the drop that survives four bits, LoRA's less that of the same loss on all weights."""
    by_model: dict[str, float] = {}
    for line in lines(results):
        if line.grid in FOUR_BITS:
            by_model[line.name] = min(line.share, by_model.get(line.name, np.inf))
    adapters = {name: share for name, share in by_model.items() if "LoRA" in name}
    others = {name: by_model[whole] for name in adapters if (whole := name.replace(" LoRA", "")) in by_model}
    if not others:
        return Judgement(NOT_TESTABLE, None, reason="no kept model was unlearned with LoRA and without")
    less = {name: adapters[name] - share for name, share in others.items()}
    most = max(less, key=lambda name: less[name])
    reason = f"{most}: {adapters[most]:.3f} against {others[most]:.3f}"
    return Judgement(holds_if(less[most] > KEPT_TO), less[most], reason=reason)


def _kept(
    name: str, short: str, statement: str, measure: str, source: str, judge: Callable[[Results], Judgement]
) -> Claim:
    return Claim(
        id=f"rounding-{name}",
        short=short,
        statement=statement,
        source=source,
        measure=measure,
        units=(f"{PLACE}*",),
        figure="rounding_phase",
        judge=judge,
        command=COMMAND,
    )


CLAIMS = (
    Claim(
        id="rounding-law",
        short="rounding keeps a move of weights on average",
        statement="On grids of eight to three bits, NF4 and FP4, with a scale for each block, a move of the weights is "
        "kept on average, however small; what few bits add is noise of the variance |δ|(Δ − |δ|).",
        source="this project: theory/theorems/rounding/law.py",
        measure=f"largest distance from 1 of the mean projection on the move, .02 to 2 cells (claimed < {KEPT_TO})",
        units=("theory/rounding",),
        figure="rounding_phase",
        judge=law_keeps_moves,
    ),
    Claim(
        id="rounding-logistic",
        short="few bits keep the drop in the logistic model",
        statement="In the logistic model the drop of unlearning survives rounding on average, on every grid.",
        source="this project: theory/theorems/rounding/law.py",
        measure=f"largest distance from 1 of the mean share of the drop that survives (claimed < {KEPT_TO})",
        units=("logistic/rounding",),
        figure="rounding_phase",
        judge=logistic_keeps_the_drop,
    ),
    Claim(
        id="rounding-transformer",
        short="few bits keep a small transformer's drop",
        statement="In a small transformer the drop of unlearning survives rounding on average, on every grid.",
        source="this project: theory/theorems/rounding/law.py",
        measure=f"largest distance from 1 of the mean share of the drop that survives (claimed < {KEPT_TO})",
        units=("transformer/rounding",),
        figure="rounding_bits",
        judge=transformer_keeps_the_drop,
    ),
    Claim(
        id="rounding-from-four-bits",
        short="from four bits small moves are rounded away",
        statement="Where a small transformer was on a four-bit grid before it unlearned, rounding it to the same grid "
        "brings the drop of any small move back.",
        source="this project: theory/theorems/rounding/born.py",
        measure=f"of the drop, the least that is back, moves under {SMALL} cells (claimed > 0.5)",
        units=("transformer/rounding",),
        figure="rounding_bits",
        judge=transformer_from_four_bits,
    ),
    _kept(
        "restores",
        "four bits bring unlearned answers back",
        "Rounding an unlearned language model to four bits brings back most of what it had unlearned.",
        "of the probability that unlearning took from forget answers, the most that is back (claimed > 0.5)",
        "arXiv:2410.16454 (21 % → 83 %)",
        four_bits_restore,
    ),
    _kept(
        "multiplies",
        "four bits double what is left of an answer",
        "Four bits can more than double the probability that unlearning leaves to forget answers.",
        "largest factor between the probability of forget answers in four bits and before (claimed > 2)",
        "QRA (INT4 up to 22 times, INT8 harmless)",
        four_bits_multiply,
    ),
    _kept(
        "lora",
        "LoRA's unlearning survives four bits better",
        "Unlearning with LoRA survives four bits where unlearning all weights does not.",
        f"share of the drop that survives four bits, LoRA's less that of all weights (claimed > {KEPT_TO})",
        "arXiv:2602.13151",
        lora_survives_better,
    ),
    _kept(
        "on-the-grid",
        "from a four-bit model unlearning is rounded away",
        "Where the model was on the four-bit grid before it was unlearned, rounding it again brings back most.",
        f"of the probability that unlearning took, the least that is back, moves under {SMALL} cells (claimed > 0.5)",
        "this project: theory/theorems/rounding/law.py",
        on_the_grid_all_is_back,
    ),
)
