"""What a recipe says of attacks: `attacks: [relearn, {quantise: {bits: [8, 4]}}, …]`.

An entry is an attack by its name, alone or with its settings; its levels are those of a curve that begins at the model
as it was.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveInt,
    field_validator,
    model_validator,
)

from records.settings import Positive, Steps, distinct
from scale.training.optimizer_settings import OptimizerChoice, chosen
from scale.training.schedule import Schedule

__all__ = ["AttackChoice", "AttackSettings", "Attacks", "Mix", "Prune", "Quantise", "Relearn", "listed"]

FamilyName = Literal["memorisation", "membership", "sampling", "prompts", "hidden"]
Share = Annotated[float, Field(gt=0, lt=1)]
Also = tuple[Literal["embeddings", "head"], ...]
_ALSO = "what is left out unless it is named here; norms, biases and convolutions always are"


class _Attack(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    families: Annotated[tuple[FamilyName, ...], Field(min_length=1)] = Field(
        ("memorisation", "membership"), description="of the audit, measured at every level; the others take longer"
    )

    @model_validator(mode="before")
    @classmethod
    def _lists(cls, given: Any) -> Any:
        """Lists fill tuples, in whatever way they come."""
        if not isinstance(given, Mapping):
            return given
        return {key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}


class Relearn(_Attack):
    """Train on the likelihood of rows, at a constant rate, so that each number of steps is a training of its own.

    `part`: the first `share` of the rows to forget are trained on, the others asked (arXiv:2410.08827: T and V).
    `related`: rows of the same kind that nobody learnt, or those of a file (arXiv:2406.13356).
    """

    rows: Literal["all", "part", "related", "retain"] = Field(
        "all",
        description="all rows to forget; a part of them, tested on the rest; related ones that nobody learnt; or rows "
        "to retain",
    )
    share: Share = Field(0.5, description="of the rows to forget, the first, where rows is part")
    file: str | None = Field(None, description="related rows of one's own; default: those that the data holds out")
    steps: tuple[Steps, ...] = Field((5, 10, 20, 40), description="after which the model is audited")
    lr: Positive | None = Field(None, description="constant; that of unlearn if it is left out")
    batch: PositiveInt | None = Field(None, description="rows of a step; that of unlearn if it is left out")
    optimizer: OptimizerChoice | None = Field(None, description="that of unlearn if it is left out")

    @field_validator("steps")
    @classmethod
    def _rising(cls, steps: tuple[int, ...]) -> tuple[int, ...]:
        distinct("steps", steps)
        if list(steps) != sorted(steps):
            raise ValueError("they should grow, as those of one training do")
        return steps

    @model_validator(mode="after")
    def _of_these_rows(self) -> "Relearn":
        for name, rows in (("share", "part"), ("file", "related")):
            if name in self.model_fields_set and self.rows != rows:
                raise ValueError(f"{name} is for rows={rows}: leave it out, or choose these rows")
        return self

    @property
    def levels(self) -> tuple[float, ...]:
        """Steps."""
        return self.steps

    def schedule(self, unlearn: Schedule) -> Schedule:
        """The whole schedule, beside that of the recipe's methods: without warm-up and weight decay."""
        return Schedule(
            lr=self.lr or unlearn.lr,
            epochs=1,
            steps=self.steps[-1],
            batch=self.batch or unlearn.batch,
            piece=unlearn.piece,
            weight_decay=0.0,
            warmup=0.0,
            falls=False,
            clip=unlearn.clip,
            optimizer=unlearn.optimizer if self.optimizer is None else self.optimizer,
            recompute=unlearn.recompute,
        )


class Quantise(_Attack):
    """Round every linear weight to a grid and put it back in the model's own numbers: a model of so many bits."""

    bits: tuple[Literal[8, 4, 3], ...] = Field((8, 4, 3), description="of a weight")
    grid: Literal["even", "nf4", "fp4", "q4_0", "q8_0"] = Field(
        "even",
        description="even: evenly spaced up to the largest of a block; nf4, fp4: bitsandbytes'; q4_0, q8_0: GGUF's",
    )
    block: PositiveInt = Field(64, description="weights that share a scale, of the even grid")
    also: Also = Field((), description=_ALSO)

    @field_validator("bits")
    @classmethod
    def _distinct(cls, bits: tuple[int, ...]) -> tuple[int, ...]:
        distinct("bits", bits)
        return bits

    @model_validator(mode="after")
    def _has(self) -> "Quantise":
        of = {"nf4": 4, "fp4": 4, "q4_0": 4, "q8_0": 8}.get(self.grid)
        if of is not None and self.bits != (of,):
            raise ValueError(f"the grid {self.grid} has {of} bits: say bits=[{of}]")
        return self

    @property
    def levels(self) -> tuple[float, ...]:
        """Bits."""
        return self.bits


class Prune(_Attack):
    """Set the weights of least magnitude to 0."""

    shares: tuple[Share, ...] = Field((0.1, 0.2, 0.3, 0.5), description="of the weights that go")
    over: Literal["matrix", "model"] = Field("matrix", description="the smallest of each matrix, or of all together")
    also: Also = Field((), description=_ALSO)

    @field_validator("shares")
    @classmethod
    def _distinct(cls, shares: tuple[float, ...]) -> tuple[float, ...]:
        distinct("shares", shares)
        return shares

    @property
    def levels(self) -> tuple[float, ...]:
        """Shares."""
        return self.shares


class Mix(_Attack):
    """Go back on the line to the finetuned model: θ = (1 − a) θ_finetuned + a θ.

    Source: arXiv:2406.09179 (UWC), which mixes until the retain score is a given one and compares methods there.
    """

    weights: tuple[Annotated[float, Field(ge=0, le=1)], ...] = Field(
        (0.8, 0.6, 0.4, 0.2, 0.0), description="a, of the model that is attacked"
    )
    keep: Share | None = Field(
        0.95, description="also at the largest a that keeps this share of the finetuned retain probability; null: not"
    )

    @field_validator("weights")
    @classmethod
    def _distinct(cls, weights: tuple[float, ...]) -> tuple[float, ...]:
        distinct("weights", weights)
        return weights

    @property
    def levels(self) -> tuple[float, ...]:
        """Weights a, less that which `keep` finds."""
        return self.weights


AttackSettings: TypeAlias = Relearn | Quantise | Prune | Mix
_LEVELS = {"steps", "bits", "shares", "weights", "families"}


class AttackChoice(BaseModel):
    """One attack: the one of these that is given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    relearn: Relearn | None = Field(None, description="train on the likelihood of rows; levels: steps")
    quantise: Quantise | None = Field(None, description="round every linear weight; levels: bits")
    prune: Prune | None = Field(None, description="set the smallest weights to 0; levels: shares of them")
    mix: Mix | None = Field(None, description="go back towards the finetuned model; levels: the model's own weight a")

    @model_validator(mode="after")
    def _one(self) -> "AttackChoice":
        if len(given := [name for name in type(self).model_fields if getattr(self, name) is not None]) != 1:
            there = " and ".join(given) or "nothing"
            raise ValueError(f"an entry is one attack, and {there} is there: begin another with `- `")
        return self

    @property
    def kind(self) -> str:
        """Its name."""
        return next(name for name in type(self).model_fields if getattr(self, name) is not None)

    @property
    def settings(self) -> AttackSettings:
        """What is set of it."""
        found: AttackSettings = getattr(self, self.kind)
        return found

    @property
    def label(self) -> str:
        """The name of its results: the attack's, with all that is set but its levels.

        >>> AttackChoice(relearn=Relearn(rows="part", steps=(1, 2))).label
        'relearn,rows=part'
        >>> AttackChoice(quantise=Quantise(bits=(4,), grid="nf4")).label
        'quantise,grid=nf4'
        """
        changed = self.settings.model_dump(exclude_defaults=True, exclude=_LEVELS)
        return ",".join([self.kind, *(f"{key}={_word(value)}" for key, value in changed.items())])


def _word(value: Any) -> str:
    """A value as a part of a folder's name."""
    if isinstance(value, Mapping):
        return chosen(value["name"]).name
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "+".join(map(str, value))
    return format(value, "g") if isinstance(value, float) else str(value).replace("\\", "/").rpartition("/")[2]


def listed(attacks: Any) -> Any:
    """Attacks by name or with their settings, as a recipe may write them, each in full.

    >>> listed("relearn, mix"), listed([{"prune": {"shares": [0.5]}}])
    (({'relearn': {}}, {'mix': {}}), ({'prune': {'shares': [0.5]}},))
    """
    names = [name.strip() for name in attacks.split(",")] if isinstance(attacks, str) else attacks
    return tuple({one: {}} if isinstance(one, str) else one for one in names) if isinstance(names, list) else names


def _apart(attacks: tuple[AttackChoice, ...]) -> tuple[AttackChoice, ...]:
    """The same; ValueError where two would share a name, and so a folder."""
    labels = [attack.label.casefold() for attack in attacks]
    if twice := sorted({label for label in labels if labels.count(label) > 1}):
        raise ValueError(f"{', '.join(twice)} is there more than once: give all its levels to one entry")
    return attacks


Attacks: TypeAlias = Annotated[tuple[AttackChoice, ...], BeforeValidator(listed), AfterValidator(_apart)]
"""Of a recipe, or of a command line: each by name or with its settings, no two of one name."""
