"""`npo synthetic transformer`: the law, the optimisers and the methods on a small transformer, in resumable pieces."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import partial
from pathlib import Path

from rich.console import Console

from npo.ledger import CLAIMS, enter
from npo.ledger.told import ledger_markdown, tell
from npo.report.gallery import GALLERY
from npo.report.panels import Picture
from npo.report.plates import PAGES, draw_plates
from npo.running.methods import labelled, objectives_of
from npo.running.units import run_units
from npo.verbs.synthetic.transformer_tables import endings, tables
from records.errors import UserError, together
from records.files import write_json, write_text
from records.loader import source_of
from records.outputs import check_outputs, publish
from records.ownership import manifest
from records.plain import plain
from records.settings import SettingsError, override
from records.store import content_hash, load, writable
from synthetic.transformer.methods import BETA, MethodSetting, setting
from synthetic.transformer.model import Config
from synthetic.transformer.presets import FULL, PARTS, QUICK, TransformerPreset
from synthetic.transformer.quantities import asked_of
from synthetic.transformer.units import units
from theory.methods import spelled
from theory.objective import METHODS, Objective

__all__ = ["TransformerChoices", "run"]

OPTIONS = {
    "law.betas": "--betas",
    "optimizers.names": "--optimizers",
    "methods.names": "--methods",
    "seeds": "--seeds",
}
"""The option that each setting is given by."""


@dataclass(frozen=True)
class TransformerChoices:
    """What was asked for; empty stands for all."""

    parts: tuple[str, ...]
    methods: tuple[str, ...]
    settings: tuple[str, ...]
    """As typed after `--set`."""
    optimizers: tuple[str, ...]
    betas: str
    seeds: str

    def changes(self) -> dict[str, str]:
        """As settings of a preset."""
        names = [name for name in self.methods if ":" not in name]
        words = (self.betas, ",".join(self.optimizers), ",".join(names), self.seeds)
        return {key: text for key, text in zip(OPTIONS, words, strict=True) if text}


def run(choices: TransformerChoices, *, quick: bool, out: Path) -> None:
    """Run the parts, save, draw, print tables and the claims that they bear on."""
    started = time.time()
    parts = _parts(choices)
    preset = _preset(choices, quick)
    todo = units(preset, parts, _rows(choices, preset.shape.reader))
    folder = writable(out)
    check_outputs(folder, PAGES)
    run_units(todo, folder, "transformer")
    results = {unit.name: load(folder / unit.name) for unit in todo}
    seconds = {unit.name: float(manifest(folder / unit.name)["seconds"]) for unit in todo}
    entries = [
        enter(claim, results, seconds, {})
        for claim in CLAIMS
        if all(any(fnmatch(name, pattern) for name in results) for pattern in claim.units)
    ]
    pictures: list[Picture] = []

    def write(place: Path) -> None:
        write_json(place / "claims.json", entries)
        write_text(place / "claims.md", ledger_markdown(entries))
        pictures.extend(draw_plates(GALLERY, results, place))

    publish(folder, write)
    console = Console()
    for table in tables(results):
        Console(markup=False).print(table)  # names of one's own methods are paths
    for sentence in endings(results):
        console.print(plain(sentence), markup=False, highlight=False)
    tell(console, entries, {"Every claim with its numbers": folder / "claims.md"})
    drawn = ", ".join(f"{picture.plate.name}.png" for picture in pictures)
    took = f"{time.time() - started:.0f} s for this call, {sum(seconds.values()):.0f} s of work in all"
    console.print(f"{folder / 'figures'}: {drawn}; {took}", markup=False, highlight=False, soft_wrap=True)


def _parts(choices: TransformerChoices) -> tuple[str, ...]:
    """The parts in order; UserError for one that is none, or for an option of a part that is left out."""
    parts = tuple(part for part in PARTS if part in choices.parts) if choices.parts else PARTS
    wrong = [f"--part {part}: there are {', '.join(PARTS)}." for part in choices.parts if part not in PARTS]
    given = {
        "--betas": ("law", choices.betas),
        "--optimizers": ("optimizers", choices.optimizers),
        "--methods": ("methods", choices.methods),
        "--set": ("methods", choices.settings),
    }
    wrong += [
        f"{option} is for the part {part}, which --part leaves out."
        for option, (part, words) in given.items()
        if words and part not in parts and not wrong
    ]
    if wrong:
        raise UserError("\n".join(wrong))
    return parts


def _preset(choices: TransformerChoices, quick: bool) -> TransformerPreset:
    """The preset with what was chosen; messages speak of the options that a user typed."""
    changes = choices.changes()
    try:
        return override(QUICK if quick else FULL, changes, label="transformer")
    except SettingsError as error:
        wrong = [f"{_option(place, changes)}: {said}" for place, said in error.mistakes]
        raise UserError("\n".join(wrong)) from None


def _option(place: str, changes: Mapping[str, str]) -> str:
    """The option of a place, with what follows in it; of a group, those of its options that were given."""
    for key, option in OPTIONS.items():
        if place == key or place.startswith(f"{key}."):
            return option + place.removeprefix(key)
    inside = [
        option for key, option in OPTIONS.items() if key in changes and (not place or key.startswith(f"{place}."))
    ]
    return ", ".join(inside)


def _rows(choices: TransformerChoices, config: Config) -> list[MethodSetting]:
    """The methods with what `--set` says of them, none where all are run as they are.

    Those by name come first; what a user's own ones depend on is the text of their files.
    """
    if not (choices.methods or choices.settings):
        return []
    names = sorted(choices.methods or METHODS, key=lambda name: ":" in name)
    usual = {name if ":" in name else name.upper(): BETA for name in names}
    found = objectives_of(names, settings=choices.settings, usual=usual)
    together(*(partial(_read, name, objective, config) for name, objective in found.items()))
    labels = labelled({name if ":" in name else spelled(name): one for name, one in found.items()}, choices.settings)
    return [
        setting(label, name, objective, content_hash(source_of(name)) if ":" in name else "")
        for label, (name, objective) in zip(labels.values(), found.items(), strict=True)
    ]


def _read(name: str, objective: Objective, config: Config) -> None:
    """UserError, with the method's name, for what this transformer does not have."""
    try:
        asked_of(objective, config)
    except UserError as error:
        raise UserError(f"--methods {name}: {error}") from None
