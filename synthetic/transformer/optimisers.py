"""Does NPO's slowdown survive Adam? GA and NPO on random sequences under several optimisers.

Adam divides the gradient by the root of an exponentially forgetting mean of its square. NPO's gradient vanishes like
1/t, and what forgets cancels that. For one coordinate whose gradient falls as e^{−βu} the drop is linear in t, at

    r = √(1 + a²) − a     times GA's speed v,     a = β v / (1 − β₂),     at most −ln β₂ / (2β) nats a step,

so NPO is GA where a ≪ 1 and reaches the cap where a ≫ 1, after about 1/(1 − β₂) steps that are logarithmic. What does
not forget (AMSGrad), or is held up by ε or by other gradients that do not vanish, leaves the logarithm in place; a
retain term does so only while its own gradient lasts, and a model that knows the kept rows by heart has none left.
Source: derived for the scalar model in this project; measured here.

Units: `transformer/optimizer-<name>` and `transformer/optimizer-<name>+RT` (with a retain term on minibatches), arrays
as in `synthetic.transformer.watch` under `GA-<seed>.` and `NPO-<seed>.`; values `optimizer`, `lr`, `beta`, `beta2` (of
Adam's second moment; null without one), `retain`, `seeds`, `diverged_at`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from records.store import Data, save
from records.work import Progress, Unit
from synthetic.grid import log_grid
from synthetic.transformer.descent import Case, unlearn_all
from synthetic.transformer.memorise import load_models
from synthetic.transformer.optimiser_table import OPTIMISERS, OptimiserSetting, setting_of
from synthetic.transformer.presets import TransformerPreset, models_name
from synthetic.transformer.sequences import draw
from synthetic.transformer.watch import Watcher, recording
from theory.objective import method

__all__ = ["optimisers_units"]

PER_DECADE = 12


def optimisers_units(preset: TransformerPreset) -> list[Unit]:
    """The units of this part, in order."""
    seeds = preset.seeds[: preset.optimizers.seeds]
    shared = {"shape": asdict(preset.shape), "optimizers": asdict(preset.optimizers), "seeds": seeds}
    needs = tuple(models_name(seed) for seed in seeds)
    found = []
    for setting in _settings(preset.optimizers.names):
        facts = {"optimizer": setting.name, "lr": setting.lr, "options": dict(setting.options)}
        for retain in (False, True):
            name = f"transformer/optimizer-{setting.name}{'+RT' if retain else ''}"
            run = partial(_unit, preset=preset, setting=setting, retain=retain)
            seconds = 0.01 * preset.optimizers.steps * len(seeds)
            found.append(Unit(name, shared | facts | {"retain": retain}, run, needs, seconds=seconds))
    return found


def _settings(names: Sequence[str]) -> list[OptimiserSetting]:
    """What is chosen, in the table's order and then in its own; all of the table where nothing is."""
    chosen = [setting_of(name) for name in names]
    table = [setting for setting in OPTIMISERS if not chosen or setting in chosen]
    return table + [setting for setting in chosen if setting not in table]


def _unit(
    folder: Path,
    inputs: Mapping[str, Path],
    progress: Progress,
    *,
    preset: TransformerPreset,
    setting: OptimiserSetting,
    retain: bool,
) -> None:
    chosen, config = preset.optimizers, preset.shape.config
    term = "+RT" if retain else ""
    objectives = {"GA": method(f"GA{term}"), "NPO": method(f"NPO{term}", beta=chosen.beta)}
    optimiser = partial(setting.kind, lr=setting.lr, **setting.options)
    cases, watchers = {}, {}
    for name, objective in objectives.items():
        for seed in preset.seeds[: chosen.seeds]:
            split = draw(preset.shape.sizes, seed)
            reference, retrained = load_models(inputs[models_name(seed)])
            cases[f"{name}-{seed}"] = Case(objective, optimiser, reference, split)
            watchers[f"{name}-{seed}"] = Watcher(config, reference, retrained, split, chosen.nats)
    at, batch = log_grid(chosen.steps, PER_DECADE), chosen.batch if retain else None
    unlearn_all(config, cases, at=at, observe=recording(watchers), batch=batch, progress=progress)
    arrays = {f"{label}.{name}": x for label, r in watchers.items() for name, x in r.arrays().items()}
    values = {"optimizer": setting.name, "lr": setting.lr, "beta": chosen.beta, "beta2": setting.beta2}
    values |= {"retain": retain, "seeds": list(preset.seeds[: chosen.seeds])}
    values["diverged_at"] = {label: r.diverged_at for label, r in watchers.items() if r.diverged_at}
    save(folder, Data(arrays, values))
