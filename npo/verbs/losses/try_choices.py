"""What `npo try` was asked for: a loss of one's own or a known one, and what is run of it and beside it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from npo.running.hyperparameters import typed
from npo.running.methods import hyperparameters_of, objective_of, objectives_of
from npo.verbs.synthetic.logistic_choices import step_size
from records.errors import UserError
from records.loader import source_of
from records.store import content_hash
from records.work import Unit
from synthetic.logistic.beside import Beside, beside_units
from synthetic.logistic.presets import table_1
from synthetic.logistic.quantities import check_supplied
from synthetic.transformer.methods import BETA, MethodSetting, setting
from synthetic.transformer.presets import REPRODUCE, Methods, TransformerPreset
from synthetic.transformer.quantities import asked_of
from synthetic.transformer.units import units as transformer_units
from theory.kernel import Kernel
from theory.methods import RIVALS, spelled
from theory.objective import Objective

__all__ = ["FULL_SIZE", "QUICK_SIZE", "TriedLoss", "TrySize", "room_units", "tried_loss"]


@dataclass(frozen=True)
class TrySize:
    """How much is run in the two rooms."""

    logistic: Beside
    transformer: TransformerPreset


FULL_SIZE = TrySize(
    Beside(),
    replace(
        REPRODUCE,
        seeds=(0,),
        methods=Methods(steps=120, adam_steps=60, batch=20, per_decade=3, seeds=1, overlaps=(0.5,)),
    ),
)
QUICK_SIZE = TrySize(
    Beside(seeds=(1000,), fit_steps=1000, steps=200, every=20),
    replace(
        REPRODUCE,
        seeds=(0,),
        shape=replace(REPRODUCE.beta.shape, retain=20, max_steps=150),
        optimizers=replace(REPRODUCE.optimizers, batch=5),
        methods=Methods(steps=20, adam_steps=10, batch=5, per_decade=2, seeds=1, overlaps=(0.5,)),
    ),
)


@dataclass(frozen=True)
class TriedLoss:
    """A forget loss by the name that was typed: label of its results, itself alone and with +RT, its file's hash."""

    name: str
    label: str
    alone: Objective
    with_retain: Objective
    source: str

    @property
    def kernel(self) -> Kernel:
        """The loss with its hyperparameters bound."""
        return self.alone.forget

    @property
    def hyperparameters(self) -> Mapping[str, float | int]:
        """Those that are bound."""
        return self.alone.hyperparameters

    def runs(self) -> dict[str, tuple[str, Objective]]:
        """By label, the name by which its step size is known, and the objective."""
        return {self.label: (self.name, self.alone), f"{self.label}+RT": (f"{self.name}+RT", self.with_retain)}


def tried_loss(name: str, beta: float | None, settings: tuple[str, ...]) -> TriedLoss:
    """The loss with what was typed of its hyperparameters; UserError, with its name, for everything that is wrong."""
    if "+" in name.rpartition(":")[2]:
        raise UserError(f"{name}: it is run alone and with +RT; write its name without {name[name.rindex('+') :]}.")
    if name.endswith(".py"):
        raise UserError(f"{name} names a file and no function in it: write {name}:function_name.")
    try:
        known = hyperparameters_of(name)
    except UserError as error:
        own = "" if ":" in name else " A loss of your own is written path/to/file.py:function_name."
        raise UserError(f"{name}: {error}{own}") from None
    said = typed(settings, beta=beta)
    wrong = said.astray({name: known})
    if beta is not None and "beta" not in known:
        wrong.append(f"--beta {beta:g}: {name} takes no β; it takes {', '.join(known) or 'no hyperparameter'}.")
    if wrong:
        raise UserError("\n".join(wrong))
    given = said.given(name, known) | ({} if beta is None else {"beta": beta})
    try:
        alone, with_retain = (objective_of(f"{name}{kept}", given) for kept in ("", "+RT"))
    except UserError as error:
        raise UserError(f"{name}: {error}") from None
    if ":" not in name:
        return TriedLoss(spelled(name), spelled(name), alone, with_retain, "")
    function = name.rpartition(":")[2]
    label = f"{function} (yours)" if function.upper() in {rival.upper() for rival in RIVALS} else function
    return TriedLoss(name, label, alone, with_retain, content_hash(source_of(name)))


def room_units(loss: TriedLoss, size: TrySize) -> tuple[list[Unit], dict[str, str]]:
    """The units of both rooms; where a room has not what the loss takes, none of it, and why by the room's name."""
    makers = {"logistic room": _logistic, "transformer": _transformer}
    found, refused = list[Unit](), dict[str, str]()
    for room, maker in makers.items():
        try:
            found += maker(loss, size)
        except UserError as error:
            refused[room] = str(error)
    return found, refused


def _beside(loss: TriedLoss, usual: Mapping[str, float]) -> dict[str, tuple[str, Objective]]:
    """The loss and its rivals, each alone and with +RT, by label: name and objective."""
    rivals = [f"{name}{kept}" for name in RIVALS if name != loss.name for kept in ("", "+RT")]
    return loss.runs() | {name: (name, one) for name, one in objectives_of(rivals, usual=usual).items()}


def _logistic(loss: TriedLoss, size: TrySize) -> list[Unit]:
    check_supplied(loss.with_retain)
    alpha = size.logistic.alpha
    usual = {row.method: row.beta for row in table_1(alpha) if row.beta is not None}
    runs = {label: (one, step_size(name, one, alpha)) for label, (name, one) in _beside(loss, usual).items()}
    return beside_units(size.logistic, runs, loss.source)


def _transformer(loss: TriedLoss, size: TrySize) -> list[Unit]:
    asked_of(loss.with_retain, size.transformer.shape.reader)
    named = _beside(loss, {f"{name}{kept}".upper(): BETA for name in RIVALS for kept in ("", "+RT")})
    rows: list[MethodSetting] = [
        setting(label, name, one, loss.source if label in loss.runs() else "") for label, (name, one) in named.items()
    ]
    return transformer_units(size.transformer, ("methods",), rows)
