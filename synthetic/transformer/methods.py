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

import torch

from records.store import Data, save
from records.work import Progress, Unit
from synthetic.grid import log_grid
from synthetic.transformer.descent import Case, Optimiser, unlearn_all
from synthetic.transformer.memorise import load_models
from synthetic.transformer.presets import TransformerPreset, drawn, language_name
from synthetic.transformer.watch import Answers, Watcher, recording
from theory.objective import METHODS, Objective, kernels, method, takes

__all__ = ["BETA", "BOUNDED", "MethodSetting", "methods_units", "table"]

KERNEL_EVERY, SHOWN_EVERY = 4, 3  # looks
BETA = 0.5
ASCENT, BOUNDED = 1e-3, 1e-2


@dataclass(frozen=True)
class MethodSetting:
    """A method with its step size of plain descent and its β; `source` identifies the code of a user's own one."""

    method: str
    lr: float
    beta: float | None
    objective: Objective
    source: str = ""

    def facts(self) -> dict[str, str | float | None]:
        """What the result depends on, in words and numbers."""
        return {"method": self.method, "lr": self.lr, "beta": self.beta, "source": self.source}


def table(names: Sequence[str] = METHODS, beta: float = BETA) -> tuple[MethodSetting, ...]:
    """Methods with step sizes at which full-batch descent on the language is stable: GA's kin a tenth of the others'.

    >>> [(row.method, row.lr, row.beta) for row in table(["ga+rt", "NPO"])]
    [('GA+RT', 0.001, None), ('NPO', 0.01, 0.5)]
    """
    found = []
    for name in names:
        own = {"beta": beta} if "beta" in takes(kernels(name)[0]) else {}
        objective, lr = method(name, **own), ASCENT if name.upper().startswith("GA") else BOUNDED
        found.append(MethodSetting(name.upper(), lr, own.get("beta"), objective))
    return tuple(found)


def methods_units(preset: TransformerPreset, own: Sequence[MethodSetting] = ()) -> list[Unit]:
    """The units of this part, in order; `own` are further methods, of the user."""
    chosen = preset.methods
    shared = {"shape": asdict(preset.shape), "methods": asdict(chosen)}
    rows = (*(table(chosen.names) if chosen.names or own else table()), *own)
    found = []
    for seed in preset.seeds[: chosen.seeds]:
        needs = (language_name(chosen.overlap, seed),)
        for optimizer in ("GD", "AdamW"):
            name = f"transformer/methods-{optimizer}-{chosen.overlap:g}-{seed}"
            settings = shared | {"seed": seed, "table": [row.facts() for row in rows]}
            run = partial(_unit, preset=preset, rows=rows, optimizer=optimizer, overlap=chosen.overlap, seed=seed)
            steps = chosen.steps if optimizer == "GD" else chosen.adam_steps
            found.append(Unit(name, settings, run, needs, seconds=0.02 * steps * len(rows)))
        for overlap in chosen.overlaps if not (chosen.names or own) else ():
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
