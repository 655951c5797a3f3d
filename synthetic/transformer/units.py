"""What is run of the small transformer: the models that all parts start from, and the parts' units.

    transformer/models-<seed>      π_ref and π_retr of random sequences, see `synthetic.transformer.memorise`
    transformer/language-<o>-<seed>  the same of the language, at overlap <o>

and the units of `synthetic.transformer.law`, `synthetic.transformer.loss_times`, `synthetic.transformer.optimisers`,
`synthetic.transformer.methods`, `synthetic.transformer.beta`, `synthetic.transformer.field.units` and
`synthetic.transformer.practice`.
Everything is float32: float64 moves βu by about 1e-4, where finite steps move it by 2e-2.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from records.work import Progress, Unit
from synthetic.transformer import sequences
from synthetic.transformer.beta import LANGUAGE, beta_units, small_models_unit
from synthetic.transformer.field.units import field_units
from synthetic.transformer.law import law_units
from synthetic.transformer.loss_times import loss_times_unit
from synthetic.transformer.memorise import train
from synthetic.transformer.methods import MethodSetting, methods_units
from synthetic.transformer.optimisers import optimisers_units
from synthetic.transformer.practice import practice_units
from synthetic.transformer.presets import (
    PARTS,
    Setup,
    TransformerPreset,
    drawn,
    language_name,
    languages,
    models_name,
)

__all__ = ["units"]


def units(preset: TransformerPreset, parts: Sequence[str] = PARTS, rows: Sequence[MethodSetting] = ()) -> list[Unit]:
    """The units of these parts, in order; `rows` are run by the part `methods` in place of the preset's methods."""
    found: list[Unit] = []
    if "law" in parts or "optimizers" in parts:
        found += [_models_unit(preset, seed) for seed in preset.seeds]
    if "law" in parts:
        found += [*law_units(preset), loss_times_unit(preset)]
    if "optimizers" in parts:
        found += optimisers_units(preset)
    if "methods" in parts:
        found += [_language_unit(preset, *which) for which in languages(preset.methods, preset.seeds)]
        found += methods_units(preset, rows)
    if "beta" in parts:
        found += beta_units(preset)
    if "field" in parts:
        found += field_units(preset.field)
    if "practice" in parts:
        there = {unit.name for unit in found}
        models = (small_models_unit(preset.beta.shape, LANGUAGE, seed) for seed in preset.beta.seeds)
        found += [unit for unit in models if unit.name not in there] + practice_units(preset)
    return found


def _models_unit(preset: TransformerPreset, seed: int) -> Unit:
    shape = preset.shape
    return Unit(models_name(seed), asdict(shape) | {"seed": seed}, partial(_models, shape=shape, seed=seed))


def _models(folder: Path, inputs: Mapping[str, Path], progress: Progress, *, shape: Setup, seed: int) -> None:
    train(sequences.draw(shape.sizes, seed), shape.config, shape.training, seed, folder, progress)


def _language_unit(preset: TransformerPreset, overlap: float, seed: int) -> Unit:
    settings = asdict(preset.shape) | {"overlap": overlap, "seed": seed}
    run = partial(_language, shape=preset.shape, overlap=overlap, seed=seed)
    return Unit(language_name(overlap, seed), settings, run)


def _language(
    folder: Path, inputs: Mapping[str, Path], progress: Progress, *, shape: Setup, overlap: float, seed: int
) -> None:
    train(drawn(shape, overlap, seed).split, shape.reader, shape.training, seed, folder, progress)
