"""`npo synthetic transformer`: the law, the optimisers and the methods on a small transformer, in resumable pieces."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from rich.console import Console

from npo.ledger import CLAIMS, enter
from npo.ledger.told import ledger_markdown, tell
from npo.report.gallery import GALLERY
from npo.report.panels import Picture
from npo.report.plates import PAGES, draw_plates
from npo.running.methods import objectives_of
from npo.running.units import run_units
from npo.verbs.transformer_tables import endings, tables
from records.errors import UserError
from records.files import write_json, write_text
from records.loader import source_of
from records.outputs import check_outputs, publish
from records.ownership import manifest
from records.plain import plain
from records.settings import SettingsError, override
from records.store import content_hash, load, writable
from synthetic.transformer.methods import BETA, BOUNDED, MethodSetting
from synthetic.transformer.presets import FULL, PARTS, QUICK, TransformerPreset
from synthetic.transformer.units import units

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
    optimizers: tuple[str, ...]
    betas: str
    seeds: str

    @property
    def own(self) -> list[str]:
        """Those methods that are functions from a file."""
        return [name for name in self.methods if ":" in name]

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
    todo = units(preset, parts, _own(choices.own))
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
    given = {"law": choices.betas, "optimizers": choices.optimizers, "methods": choices.methods}
    names = {"law": "--betas", "optimizers": "--optimizers", "methods": "--methods"}
    wrong += [
        f"{names[part]} is for the part {part}, which --part leaves out."
        for part, words in given.items()
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


def _own(names: Sequence[str]) -> list[MethodSetting]:
    """A user's own methods, as rows of the table; what they depend on is the text of their files."""
    usual: Mapping[str, float] = dict.fromkeys(names, BETA)
    found = objectives_of(list(names), beta=None, usual=usual)
    rows = []
    for name, objective in found.items():
        source = content_hash(source_of(name))
        rows.append(
            MethodSetting(name, BOUNDED, getattr(objective.forget, "keywords", {}).get("beta"), objective, source)
        )
    return rows
