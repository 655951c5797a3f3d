"""npo reproduce, the main job: run what is missing of every step, draw figures, judge the claims, write one report."""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from npo.ledger import CLAIMS, enter
from npo.ledger.judging.kept import recorded
from npo.ledger.told import ledger_markdown, tell
from npo.report.gallery import GALLERY
from npo.report.page import write_report
from npo.report.plates import PAGES, draw_plates
from npo.running.sizes import check_logistic, check_transformer
from npo.running.units import run_units
from records.computed import computed
from records.errors import UserError, together
from records.files import write_json, write_text
from records.outputs import check_outputs, publish
from records.ownership import manifest
from records.paths import may_write
from records.settings import override, parse_words
from records.store import Data, environment, load, writable
from records.work import Unit
from synthetic.logistic import presets as logistic_presets
from synthetic.logistic import units as logistic_study
from synthetic.transformer import presets as transformer_presets
from synthetic.transformer import units as transformer_study
from theory.atlas.demonstration import whole_atlas
from theory.atlas.optimisers import grid as optimisers_grid
from theory.theorems import choices_of_beta, demonstrations, rounded_moves, ways_back
from theory.theorems.theorem import HypothesisError

__all__ = ["STEPS", "reproduce", "units_of"]

STEPS = ("theory", "logistic", "transformer", "llm")


def _theory_units(preset: demonstrations.TheoryPreset) -> list[Unit]:
    """The theory room knows no file, so its units are made here."""
    work: dict[str, Callable[[demonstrations.TheoryPreset], dict[str, np.ndarray]]] = {
        "theory/proposition-1": demonstrations.proposition_1,
        "theory/theorem-2": demonstrations.theorem_2,
        "theory/exponential-slowdown": demonstrations.exponential_slowdown,
        "theory/intrinsic-time": demonstrations.intrinsic_time,
        "theory/chosen-beta": choices_of_beta.chosen_beta,
        "theory/relearning": ways_back.ways_back,
        "theory/rounding": rounded_moves.rounded_moves,
        "theory/adam-law": choices_of_beta.adam_s_law,
        "theory/atlas": whole_atlas,
        "theory/atlas-grid": optimisers_grid.loss_by_optimiser,
        "theory/adam-regimes": optimisers_grid.regimes,
    }

    settings, values = dataclasses.asdict(preset), {"seed": preset.seed}
    return [
        Unit(name, settings, partial(computed, compute=demonstrate, settings=preset, values=values), seconds=4)
        for name, demonstrate in work.items()
    ]


def units_of(
    steps: Sequence[str], *, quick: bool, data: Path | None, settings: Mapping[str, str], full: bool = False
) -> list[Unit]:
    """The units of the steps, in order, with `step.key` settings applied to each step's preset."""
    by_step: dict[str, dict[str, str]] = {step: {} for step in STEPS}
    wrong = []
    for key, text in settings.items():
        step, _, name = key.partition(".")
        if step not in by_step or not name:
            wrong.append(f"Unknown setting {key!r}: write STEP.KEY=VALUE with a step of {', '.join(STEPS)}.")
        elif step not in steps:
            wrong.append(f"Setting {key!r} is for the step {step}, which --only leaves out.")
        else:
            by_step[step][name] = text
    makers = {
        "theory": lambda: _theory_units(_preset(demonstrations, quick, full, by_step["theory"], "theory")),
        "logistic": lambda: _logistic_units(_preset(logistic_presets, quick, full, by_step["logistic"], "logistic")),
        "transformer": lambda: _transformer_units(
            _preset(transformer_presets, quick, full, by_step["transformer"], "transformer")
        ),
        "llm": lambda: _llm_units(quick, by_step["llm"], data),
    }
    found: list[Unit] = []
    for step in steps:
        try:
            found += makers[step]()
        except UserError as error:
            wrong.append(str(error))
    if wrong:
        raise UserError("\n".join(wrong))
    return found


def _preset(room: Any, quick: bool, full: bool, changes: Mapping[str, str], label: str) -> Any:
    """The room's preset of the size that is asked for, with changes; FULL where it has one."""
    usual = getattr(room, "FULL", room.REPRODUCE) if full else room.REPRODUCE
    return override(room.QUICK if quick else usual, changes, label=label)


def _logistic_units(preset: logistic_presets.LogisticPreset) -> list[Unit]:
    check_logistic(preset)
    return logistic_study.units(preset)


def _transformer_units(preset: transformer_presets.TransformerPreset) -> list[Unit]:
    check_transformer(preset)
    return transformer_study.units(preset)


def _llm_units(quick: bool, changes: Mapping[str, str], data: Path | None) -> list[Unit]:
    try:
        from scale.recipes.base_model import ask_hub
        from scale.recipes.file import read_recipe
        from scale.runtime.processes import Processes
        from scale.stages.pipeline import units
    except ImportError as error:
        raise UserError(
            f"The step llm needs the extra `scale` ({error.name} is missing): pip install -e '.[scale]', "
            "or leave it out with --only."
        ) from error
    name = "quick" if quick else "tofu-mini" if data else "fictional-tiny"
    source = [f"data.source={data}"] if data else []
    try:
        recipe = read_recipe(name, [*source, *(f"{key}={value}" for key, value in changes.items())])
        processes = Processes(recipe.device, recipe.precision, recipe.trackers)
        found, *_ = together(
            lambda: units(recipe, processes, prefix="llm/"),
            lambda: ask_hub(recipe.model),
            lambda: processes.accelerator,
        )
        return list(found)
    except UserError as error:
        raise UserError(f"Step llm: {error}") from None


def reproduce(
    *, settings: Sequence[str], only: Sequence[str], out: Path | None, data: Path | None, quick: bool, full: bool
) -> None:
    """Run the steps into `out` and leave there claims.json, figures/ and report.html; print the ledger."""
    started = time.time()
    if quick and full:
        raise UserError("--quick and --full can't be had together: leave one out.")
    size = "quick" if quick else "full" if full else ""
    unknown = sorted(set(only) - set(STEPS))
    if unknown:
        raise UserError(f"--only {', '.join(unknown)}: no such step; the steps are {', '.join(STEPS)}.")
    steps = [step for step in STEPS if step in only] if only else list(STEPS)
    folder = out or Path("out") / "-".join(filter(None, ("reproduce", size)))
    units, _ = together(
        lambda: units_of(steps, quick=quick, data=data, settings=parse_words(settings), full=full),
        lambda: may_write(folder),
    )
    writable(folder)
    check_outputs(folder, PAGES)
    console = Console()
    try:
        run_units(units, folder, "reproduce")
    except HypothesisError as error:
        raise UserError(f"The settings of the step theory admit no instance: {error}") from error
    results: dict[str, Data] = {unit.name: load(folder / unit.name) for unit in units}
    results |= recorded()
    seconds = {unit.name: float(manifest(folder / unit.name)["seconds"]) for unit in units}
    words = {step: _words(step, settings, data=data, size=size) for step in STEPS}
    entries = [enter(claim, results, seconds, words) for claim in CLAIMS]
    command = " ".join(["npo reproduce", *(f"--only {s}" for s in only), *([f"--{size}"] if size else []), *settings])
    facts = {"steps": steps, "quick": quick, "command": command, "environment": environment()}
    facts |= {"seconds": sum(seconds.values())}

    def write(place: Path) -> None:
        write_json(place / "claims.json", entries)
        write_text(place / "claims.md", ledger_markdown(entries))
        write_report(place, entries, draw_plates(GALLERY, results, place), results, facts)

    publish(folder, write)
    pages = {"Every claim with its numbers": folder / "claims.md", "Findings and pictures": folder / "report.html"}
    tell(console, entries, pages)
    took = f"{time.time() - started:.0f} s for this call, {sum(seconds.values()):.0f} s of work in all"
    console.print(took, markup=False, highlight=False, soft_wrap=True)


def _words(step: str, settings: Sequence[str], *, data: Path | None, size: str) -> str:
    """What must follow `npo reproduce --only STEP` to make that data again; DIR is the reader's TOFU folder."""
    real = ["--data DIR"] if data and step == "llm" else []
    return " ".join([*([f"--{size}"] if size else []), *real, *(s for s in settings if s.startswith(f"{step}."))])
