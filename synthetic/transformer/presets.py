"""How much is run of the small transformer: presets of three sizes, the names of its models and their language."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, PositiveInt

from records.settings import MOST_STEPS, Positive, Seed, Steps, distinct
from synthetic.transformer import language
from synthetic.transformer.language import Community, Language
from synthetic.transformer.memorise import Memorising
from synthetic.transformer.model import Config
from synthetic.transformer.optimiser_table import setting_of
from synthetic.transformer.sequences import Sizes
from theory.objective import kernels

__all__ = [
    "FULL",
    "PARTS",
    "QUICK",
    "REPRODUCE",
    "BetaSweep",
    "FieldSizes",
    "Law",
    "LossTimes",
    "Methods",
    "Optimisers",
    "Practice",
    "Setup",
    "TransformerPreset",
    "drawn",
    "language_name",
    "languages",
    "models_name",
]

PARTS = ("law", "optimizers", "methods", "beta", "field", "practice")
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
LEAST_STEPS = 4  # of a path: fewer give no slope
Beta = Annotated[float, Field(gt=0, le=100)]  # beyond, a step of βu is lost in float32
Small = Annotated[float, Field(gt=0, lt=1)]


@dataclass(frozen=True)
class Setup:
    """The transformer, how it memorises, and how many sequences of which length."""

    forget: PositiveInt = 40
    retain: PositiveInt = 400
    prompt: PositiveInt = 3
    answer: PositiveInt = 6
    vocab: PositiveInt = 144
    width: PositiveInt = 64
    heads: PositiveInt = 4
    layers: PositiveInt = 2
    expansion: PositiveInt = 3
    target: Small = 0.9
    rate: Positive = 3e-3
    max_steps: Steps = 1000

    def __post_init__(self) -> None:
        """Refuse what `Sizes` and `Config` refuse."""
        _ = self.sizes, self.config

    @property
    def sizes(self) -> Sizes:
        """How many random sequences, how long."""
        return Sizes(self.forget, self.retain, self.prompt, self.answer, self.vocab)

    @property
    def config(self) -> Config:
        """The transformer of the random sequences."""
        return Config(self.vocab, self.sizes.length, self.width, self.heads, self.layers, self.expansion)

    @property
    def reader(self) -> Config:
        """The transformer of the language, which has another vocabulary and length."""
        words = 2 * language.WORDS
        return Config(len(language.VOCABULARY), words, self.width, self.heads, self.layers, self.expansion)

    @property
    def training(self) -> Memorising:
        """How models are trained."""
        return Memorising(self.target, self.rate, self.max_steps)


@dataclass(frozen=True)
class Law:
    """The part `law`. Steps and ends of paths are in units of βu of the fastest sequence; no path goes on where the
    fastest has dropped by `nats`."""

    betas: tuple[Beta, ...] = (0.1, 0.2, 0.5, 1.0, 2.0)
    examples: PositiveInt = 2
    single_step: Small = 0.02
    single_until: Positive = 8.0
    set_step: Small = 0.1
    set_until: Annotated[float, Field(gt=0, le=80)] = 80.0  # e^{−80} is near the end of float32
    nats: Positive = 100.0
    every: PositiveInt = 10
    lr: Positive = 3e-3
    steps: Steps = 10_000
    limit_betas: tuple[Positive, ...] = (0.001, 0.002, 0.005, 0.01, 0.03, 0.1)
    limit_lr: Positive = 1e-3
    limit_steps: Steps = 60

    def __post_init__(self) -> None:
        """Refuse equal values of β, and paths too short for a slope."""
        distinct("betas", self.betas)
        distinct("limit_betas", self.limit_betas)
        for kind, step, until in (
            ("single", self.single_step, self.single_until),
            ("set", self.set_step, self.set_until),
        ):
            end = min(until, min(self.betas) * self.nats)
            if end > MOST_STEPS * step:
                raise ValueError(
                    f"paths that end at {end:g} have more than {MOST_STEPS:,} steps of {kind}_step={step:g}"
                )
            if end < LEAST_STEPS * step:
                raise ValueError(
                    f"paths that end at {end:g} (the least of {kind}_until and least beta · nats) have fewer than "
                    f"{LEAST_STEPS} steps of {kind}_step={step:g}: take smaller steps or raise the end"
                )


@dataclass(frozen=True)
class LossTimes:
    """Every loss's own law, in the part `law`: steps in nats and in log-weights, and where paths end."""

    step: Small = 0.1
    until: Positive = 8.0
    longest: Positive = 300.0
    most: Steps = 300


@dataclass(frozen=True)
class Optimisers:
    """The part `optimizers`: GA and NPO under each optimiser, with a retain term (minibatches) and without."""

    names: tuple[str, ...] = ()  # all
    beta: Positive = 0.1
    steps: Steps = 3000
    batch: PositiveInt = 40
    nats: Positive = 300.0
    seeds: PositiveInt = 3  # the first of all

    def __post_init__(self) -> None:
        """Refuse a name that is none, and one that is there twice."""
        labels = [setting_of(name).name for name in self.names]
        if len(set(labels)) < len(labels):
            raise ValueError(f"names holds an optimizer more than once: {', '.join(self.names)}")


@dataclass(frozen=True)
class Methods:
    """The part `methods`: all methods on the language, by full-batch descent and by AdamW on minibatches."""

    names: tuple[str, ...] = ()  # all
    steps: Steps = 1000
    adam_steps: Steps = 400
    adam_lr: Positive = 3e-4
    batch: PositiveInt = 20
    per_decade: PositiveInt = 6  # looks
    overlap: Share = 0.5
    overlaps: tuple[Share, ...] = (0.0, 0.5, 1.0)  # of GA and NPO alone
    nats: Positive = 300.0
    seeds: PositiveInt = 3  # the first of all

    def __post_init__(self) -> None:
        """Refuse equal overlaps, and a name that is none."""
        distinct("overlaps", self.overlaps)
        for name in self.names:
            kernels(name)
        if len({name.upper() for name in self.names}) < len(self.names):
            raise ValueError(f"names holds a method more than once: {', '.join(self.names)}")


@dataclass(frozen=True)
class BetaSweep:
    """The part `beta`: β over two decades in several settings, all full batch; its own, smaller transformer."""

    seeds: tuple[Seed, ...] = (0, 1, 2, 3, 4)
    shape: Setup = Setup(forget=20, retain=80, vocab=64)
    runs: Annotated[int, Field(ge=3)] = 13
    steps: Annotated[int, Field(ge=8, le=MOST_STEPS)] = 400
    lr: Positive = 1e-2
    adam_lr: Positive = 1e-3

    def __post_init__(self) -> None:
        """Refuse equal seeds."""
        distinct("seeds", self.seeds)


@dataclass(frozen=True)
class FieldSizes:
    """The part `field`: sentences of other papers, each put to all seeds of a small transformer of its own."""

    seeds: tuple[Seed, ...] = (0, 1, 2, 3, 4)
    shape: Setup = Setup(forget=10, retain=40, vocab=64, width=32, layers=1, rate=1e-2)
    steps: Annotated[int, Field(ge=8, le=MOST_STEPS)] = 200

    def __post_init__(self) -> None:
        """Refuse equal seeds."""
        distinct("seeds", self.seeds)


@dataclass(frozen=True)
class Practice:
    """The part `practice`: the whole family, alone and with +RT; models and seeds are the first of the part `beta`."""

    steps: Annotated[int, Field(ge=8, le=MOST_STEPS)] = 200
    lr: Positive = 1e-2
    adam_lr: Positive = 1e-3
    seeds: PositiveInt = 3


@dataclass(frozen=True)
class TransformerPreset:
    """All that the study depends on."""

    seeds: tuple[Seed, ...] = (0, 1, 2, 3, 4)
    shape: Setup = Setup()
    law: Law = Law()
    loss_times: LossTimes = LossTimes()
    optimizers: Optimisers = Optimisers()
    methods: Methods = Methods()
    beta: BetaSweep = BetaSweep()
    field: FieldSizes = FieldSizes()
    practice: Practice = Practice()

    def __post_init__(self) -> None:
        """Refuse equal seeds, and a language that can't be drawn."""
        distinct("seeds", self.seeds)
        for overlap in {self.methods.overlap, *self.methods.overlaps}:
            Community(self.shape.forget, self.shape.retain, overlap)
        Community(self.beta.shape.forget, self.beta.shape.retain)
        Community(self.field.shape.forget, self.field.shape.retain, 0.5)
        if self.methods.batch > self.shape.forget or self.optimizers.batch > self.shape.forget:
            raise ValueError(f"batch must be at most the {self.shape.forget} forget rows")


FULL = TransformerPreset()
REPRODUCE = TransformerPreset(
    seeds=(0, 1),
    shape=Setup(forget=20, retain=80, vocab=64),
    law=Law(betas=(0.1, 0.5, 1.0), single_step=0.03, set_step=0.15, steps=1000),
    optimizers=Optimisers(names=("GD", "Adam-0.99", "AMSGrad"), steps=600, batch=20, seeds=1),
    methods=Methods(steps=60, adam_steps=60, per_decade=3, seeds=1, overlaps=(0.0, 1.0)),
    beta=BetaSweep(
        seeds=(0, 1, 2),
        shape=Setup(forget=5, retain=15, vocab=64, width=32, layers=1, rate=1e-2),
        runs=9,
        steps=60,
        lr=4e-2,
        adam_lr=2e-3,
    ),
    field=FieldSizes(seeds=(0, 1, 2, 3)),
    practice=Practice(steps=40, lr=2e-2, adam_lr=3e-3, seeds=1),
)
QUICK = TransformerPreset(
    seeds=(0,),
    shape=Setup(forget=10, retain=40, answer=5, vocab=64),
    law=Law(
        betas=(0.1, 1.0),
        examples=1,
        single_step=0.1,
        set_step=0.25,
        set_until=20.0,
        nats=60.0,
        every=5,
        steps=400,
        limit_betas=(0.003, 0.01),
        limit_lr=1e-2,
        limit_steps=40,
    ),
    loss_times=LossTimes(step=0.1, until=3.0, longest=30.0, most=60),
    optimizers=Optimisers(names=("GD", "Adam-0.99"), steps=150, batch=10, seeds=1),
    methods=Methods(steps=20, adam_steps=30, batch=10, per_decade=2, seeds=1, overlaps=(0.0, 1.0)),
    beta=BetaSweep(
        seeds=(0,),
        shape=Setup(forget=5, retain=5, vocab=64, width=32, layers=1, rate=1e-2),
        runs=3,
        steps=16,
        lr=8e-2,
        adam_lr=2e-3,
    ),
    field=FieldSizes(seeds=(0,), steps=40),
    practice=Practice(steps=8, lr=4e-2, adam_lr=5e-3, seeds=1),
)


def models_name(seed: int) -> str:
    """The unit of π_ref and π_retr of random sequences."""
    return f"transformer/models-{seed}"


def language_name(overlap: float, seed: int) -> str:
    """The unit of π_ref and π_retr of the language."""
    return f"transformer/language-{overlap:g}-{seed}"


def languages(methods: Methods, seeds: Sequence[int]) -> list[tuple[float, int]]:
    """Overlap and seed of every language that is needed."""
    overlaps = sorted({methods.overlap, *methods.overlaps})
    return [(overlap, seed) for overlap in overlaps for seed in seeds[: methods.seeds]]


def drawn(shape: Setup, overlap: float, seed: int) -> Language:
    """The language of a seed."""
    return language.draw(Community(shape.forget, shape.retain, overlap), seed)
