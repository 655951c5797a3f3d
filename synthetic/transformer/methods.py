"""All methods on the language of fictitious people: what is forgotten, what is kept, and what the answers look like.

Units, <o> an overlap (see `synthetic.transformer.language`):

    transformer/methods-GD-<o>-<seed>      all twelve methods by full-batch gradient descent
    transformer/methods-AdamW-<o>-<seed>   all twelve by AdamW on minibatches, as in practice
    transformer/overlap-<o>-<seed>         GA and NPO alone by full-batch descent, at other overlaps

Arrays as in `synthetic.transformer.watch`, under `<method>.`; values `table` (method, lr, β), `optimizer`, `overlap`,
`seed` and `diverged_at`, and `shown`: by method and step, questions with the right answer, the greedy one, and one that
is drawn.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from records.store import Data, save
from records.work import Progress, Unit
from synthetic.grid import log_grid
from synthetic.transformer.descent import Case, Optimiser, unlearn_all
from synthetic.transformer.memorise import load_models
from synthetic.transformer.presets import TransformerPreset, drawn, language_name
from synthetic.transformer.watch import Answers, Watcher, recording
from theory.methods import spelled
from theory.objective import METHODS, Objective, defaults, kernels, method, takes

__all__ = ["BETA", "MethodSetting", "methods_units", "setting", "table"]

KERNEL_EVERY, SHOWN_EVERY = 4, 3  # looks
BETA = 0.5
ASCENT, BOUNDED = 1e-3, 1e-2


@dataclass(frozen=True)
class MethodSetting:
    """A method with its step size of plain descent; `source` identifies the code of a user's own one.

    `method` is the label of its results, which has a name in it and what was set for it.
    """

    method: str
    lr: float
    objective: Objective
    source: str = ""

    def facts(self) -> dict[str, Any]:
        """What the result depends on, in words and numbers; hyperparameters beside β by name, where there are any."""
        others = dict(self.objective.hyperparameters)
        found = {"method": self.method, "lr": self.lr, "beta": others.pop("beta", None), "source": self.source}
        return found | ({"hyperparameters": others} if others else {})


def table(names: Sequence[str] = METHODS, beta: float = BETA) -> tuple[MethodSetting, ...]:
    """Methods with step sizes at which full-batch descent on the language is stable: GA's kin a tenth of the others'.

    `beta` is for those whose β has no default.

    >>> [row.facts() for row in table(["ga+rt"])]
    [{'method': 'GA+RT', 'lr': 0.001, 'beta': None, 'source': ''}]
    """
    found = []
    for name in names:
        needed = takes(kernels(name)[0]).get("beta") and "beta" not in defaults(name)
        found.append(setting(spelled(name), name, method(name, **({"beta": beta} if needed else {}))))
    return tuple(found)


def setting(label: str, name: str, objective: Objective, source: str = "") -> MethodSetting:
    """A method by name with the step size of its kin, which is for weights of at most 1.

    >>> setting("X", "X", method("NPO+RT", beta=0.5, retain_weight=8.0)).lr
    0.00125
    """
    lr = ASCENT if name.upper().startswith("GA") else BOUNDED
    return MethodSetting(label, lr / max(1.0, objective.forget_weight, objective.retain_weight), objective, source)


def methods_units(preset: TransformerPreset, chosen_rows: Sequence[MethodSetting] = ()) -> list[Unit]:
    """The units of this part, in order; `chosen_rows` are run in place of the preset's methods."""
    chosen = preset.methods
    shared = {"shape": asdict(preset.shape), "methods": asdict(chosen)}
    rows = chosen_rows or table(chosen.names or METHODS)
    found = []
    for seed in preset.seeds[: chosen.seeds]:
        needs = (language_name(chosen.overlap, seed),)
        for optimizer in ("GD", "AdamW"):
            name = f"transformer/methods-{optimizer}-{chosen.overlap:g}-{seed}"
            settings = shared | {"seed": seed, "table": [row.facts() for row in rows]}
            run = partial(_unit, preset=preset, rows=rows, optimizer=optimizer, overlap=chosen.overlap, seed=seed)
            steps = chosen.steps if optimizer == "GD" else chosen.adam_steps
            found.append(Unit(name, settings, run, needs, seconds=0.02 * steps * len(rows)))
        for overlap in chosen.overlaps if not (chosen.names or chosen_rows) else ():
            few = table(["GA", "NPO"])
            settings = shared | {"seed": seed, "overlap": overlap, "table": [row.facts() for row in few]}
            run = partial(_unit, preset=preset, rows=few, optimizer="GD", overlap=overlap, seed=seed)
            needs = (language_name(overlap, seed),)
            found.append(Unit(f"transformer/overlap-{overlap:g}-{seed}", settings, run, needs))
    return found


def _unit(
    folder: Path,
    inputs: Mapping[str, Path],
    progress: Progress,
    *,
    preset: TransformerPreset,
    rows: Sequence[MethodSetting],
    optimizer: str,
    overlap: float,
    seed: int,
) -> None:
    chosen, config = preset.methods, preset.shape.reader
    language = drawn(preset.shape, overlap, seed)
    reference, retrained = load_models(inputs[language_name(overlap, seed)])
    steps, batch = (chosen.steps, None) if optimizer == "GD" else (chosen.adam_steps, chosen.batch)
    optimisers = _optimisers(rows, optimizer, chosen.adam_lr)
    at = log_grid(steps, chosen.per_decade)
    answers = Answers(language, config)
    cases = {row.method: Case(row.objective, optimisers[row.method], reference, language.split) for row in rows}
    watchers = {
        name: Watcher(
            config,
            reference,
            retrained,
            language.split,
            chosen.nats,
            answers=answers,
            kernel_at=at[::KERNEL_EVERY],
            shown_at=at[::SHOWN_EVERY],
        )
        for name in cases
    }
    unlearn_all(config, cases, at=at, observe=recording(watchers), batch=batch, seed=seed, progress=progress)
    arrays = {f"{name}.{column}": x for name, r in watchers.items() for column, x in r.arrays().items()}
    values = {"table": [row.facts() for row in rows], "optimizer": optimizer, "overlap": overlap, "seed": seed}
    values["shown"] = {name: r.shown for name, r in watchers.items()}
    values["diverged_at"] = {name: r.diverged_at for name, r in watchers.items() if r.diverged_at}
    save(folder, Data(arrays, values))


def _optimisers(rows: Sequence[MethodSetting], optimizer: str, adam_lr: float) -> dict[str, Optimiser]:
    """By method: plain descent with its own step size, or AdamW with one for all."""
    if optimizer == "GD":
        descents = {lr: partial(torch.optim.SGD, lr=lr) for lr in {row.lr for row in rows}}
        return {row.method: descents[row.lr] for row in rows}
    return dict.fromkeys((row.method for row in rows), partial(torch.optim.AdamW, lr=adam_lr, weight_decay=0.01))
