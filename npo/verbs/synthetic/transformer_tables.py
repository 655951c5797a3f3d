"""What a part of `npo synthetic transformer` found, as tables for the terminal."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from rich.table import Table
from rich.text import Text

from npo.ledger import Results
from records.plain import plain
from records.store import Data
from synthetic.transformer.language import KINDS
from synthetic.transformer.results import by_beta, by_optimiser, label_of, of_all_methods
from synthetic.transformer.slowdown import collapse, factors, late, of_run, slope
from theory.theorems.time.paths import from_arrays

__all__ = ["endings", "tables"]


def tables(results: Results) -> Iterator[Table]:
    """One table for each part that was run."""
    if any(name.startswith("transformer/set-") for name in results):
        yield _law(results)
    if optimisers := by_optimiser(results):
        yield _optimisers(optimisers)
    for optimizer in ("GD", "AdamW"):
        if seeds := of_all_methods(results, optimizer):
            yield _methods(seeds, optimizer)


def endings(results: Results) -> Iterator[str]:
    """A sentence for every unit in which a run's numbers stopped being finite."""
    for name, data in results.items():
        if diverged := data.values.get("diverged_at"):
            runs = ", ".join(f"{label} by step {step}" for label, step in diverged.items())
            yield f"{name}: diverged: {runs}; what came before is kept, the other runs went on."


def _spread(values: Sequence[float]) -> str:
    """Mean and standard deviation over seeds."""
    mean = f"{np.mean(values):.3g}"
    return mean if len(values) < 2 else f"{mean} ± {np.std(values, ddof=1):.2g}"


def _runs(data: Data) -> list[dict[str, np.ndarray]]:
    return [of_run(data.arrays, str(seed)) for seed in data.values["seeds"]]


def _late_slope(run: dict[str, np.ndarray]) -> float:
    """Slope of the mean drop against log t over the last decade of steps."""
    last = late(run["steps"])
    return slope(np.log(run["steps"][last]), run["drop"][last].mean(axis=1))


def _law(results: Results) -> Table:
    headings = ("", "u at the last step", "β·slope, descent", "β·slope, flow", "d log T/d log t", "time to collapse")
    table = Table(*headings, title="A forget set in time; mean ± s.d. over seeds", title_justify="left")
    descents = by_beta(results, "descent")
    for beta, data in by_beta(results, "set").items():
        descended = _runs(descents[beta])
        slopes = [beta * _late_slope(run) for run in descended]
        along = [factors(from_arrays(data.arrays, str(seed)), beta) for seed in data.values["seeds"]] if beta else []
        times = [collapse(run["time"][run["steps"].astype(int)], run["retain_accuracy"]) for run in _runs(data)]
        table.add_row(
            label_of(beta),
            f"{_spread([r['drop'][-1].mean() for r in descended])} at {max(r['steps'][-1] for r in descended):.0f}",
            _spread(slopes) if beta else "",
            _spread([f.slope for f in along]) if beta else "",
            _spread([f.kernel for f in along]) if beta else "",
            _spread(times) if np.isfinite(times).all() else "not yet",
        )
    return table


def _optimisers(found: Mapping[str, Mapping[bool, Data]]) -> Table:
    columns = [(method, retain) for retain in (False, True) for method in ("GA", "NPO")]
    headings = [f"{method}{'+RT' if retain else ''}" for method, retain in columns]
    title = "Mean drop in nats after the last step (or, in brackets, the step that ended a run)"
    table = Table("optimizer", *headings, title=title, title_justify="left")
    for name, both in found.items():
        cells = []
        for method, retain in columns:
            runs = [of_run(both[retain].arrays, f"{method}-{seed}") for seed in both[retain].values["seeds"]]
            longest = max(run["steps"][-1] for data in both.values() for run in _every(data))
            early = "" if all(run["steps"][-1] == longest for run in runs) else f" ({runs[0]['steps'][-1]:.0f})"
            cells.append(_spread([float(run["drop"][-1].mean()) for run in runs]) + early)
        table.add_row(Text(plain(name)), *cells)
    return table


def _every(data: Data) -> Iterator[dict[str, np.ndarray]]:
    return (of_run(data.arrays, f"{m}-{seed}") for m in ("GA", "NPO") for seed in data.values["seeds"])


def _methods(seeds: Sequence[Data], optimizer: str) -> Table:
    headings = ["method", "drop", "forget distance", "retain distance"]
    headings += [f"{side}: {name}" for side in ("forget", "kept") for name in KINDS]
    title = f"Methods on the language, {optimizer}, at the end; mean ± s.d. over seeds"
    table = Table(*headings, title=title, title_justify="left")
    for name in (row["method"] for row in seeds[0].values["table"]):
        runs = [of_run(data.arrays, name) for data in seeds]
        kinds = [np.mean([run[f"{side}_kinds"][-1] for run in runs], axis=0) for side in ("forget", "retain")]
        shares = [f"{share:.2f}" for side in kinds for share in side]
        ends = [
            _spread([float(run[c][-1].mean()) for run in runs]) for c in ("drop", "forget_distance", "retain_distance")
        ]
        table.add_row(Text(plain(name)), *ends, *shares)
    return table
