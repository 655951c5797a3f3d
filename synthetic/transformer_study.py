"""The small transformer unlearns by GA and by NPO, one sequence alone and a set, in time and in intrinsic time.

Units, <run> being GA or NPO-<β>:

    transformer/memorise         π_ref, see `synthetic.memorise`
    transformer/single-<run>     the first few forget sequences, each forgotten alone
    transformer/set-<run>        the whole forget set

Arrays of a single unit, over recorded steps of the path of sequence i, in nats (time: Σ η):
    <i>.time  <i>.clock  <i>.drop  <i>.remainder (zero: a sequence alone stays on the curve)
Arrays of a set unit: `time` (steps,); `clock`, `drop`, `remainder` (steps, n) as in `theory.intrinsic_time.Path`; and
    observed (grid,)             recorded steps at which the retain sequences were looked at, the last included
    retain_logp (grid,)          their mean log π_θ(y|x) in nats
    retain_accuracy (grid,)      share of their answer tokens that are the most likely ones given those before

Values of both: `method`, `seed`, `beta` (0 for GA), `scale`, the unit of u and T (β; for GA the least β), and
`step`, that of the descent in this unit.
`law_error` is what finite steps leave of the law once the remainder is added: the largest |scale·u − curve(scale·(T +
remainder))| along the path (for GA the curve is the line), `law_error_relative` that of F(u)/(T + remainder) − 1 at its
end. `late` has slopes over the last factor √10 of time, time as in a run of constant step size: `slope` of the mean
drop against log t, `scaled_slope` = scale · slope, `clock_exponent` = mean_i d log T_i / d log t (null where a clock
is not positive). Where sequences share a weight, scaled_slope → clock_exponent as βT → ∞. For single units `sequences`
is a list with these for each.
Values of a set unit: at the end `mean_drop`, `mean_of_curve` = mean_i curve(scale·T_i)/scale, and `departure` =
mean_i |scale·u_i − curve(scale·T_i)|; `coupling_start` and `coupling_end`, the mean over i of Σ_{j≠i} K_ij / K_ii.

Everything is float32: float64 moves βu by about 1e-4, where finite steps move it by 2e-2. Of t, which hangs on how the
plateau at the start is left, finite steps make 3 to 5 % too much at the set step of REPRODUCE.

One sequence alone takes the same path in parameter space whatever the kernel: NPO is GA, slowed down. So at equal drop
what else is lost is equal too, and for a set nearly so; kernels differ in how much has been lost by a given time.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field, PositiveInt
from torch import Tensor

from records.settings import Positive, distinct
from records.store import Data, save
from records.work import Progress, Run, Unit
from synthetic.memorise import Training, describe, load_reference, memorise, save_reference
from synthetic.sequences import Sequences, Sizes, draw
from synthetic.transformer import Config, greedy_accuracy, initial, log_probs
from theory.intrinsic_time import Path as IntrinsicPath
from theory.intrinsic_time import curve, follow, rates, time_on_curve, weight_by_drop

__all__ = ["QUICK", "REPRODUCE", "Preset", "coupling", "name_of", "units"]

PACKAGES = ("theory", "synthetic", "records")
MEMORISE = "transformer/memorise"
LEAST_STEPS = 4  # of a path: fewer give no slope
Array = np.ndarray


@dataclass(frozen=True)
class Preset:
    """All that the study depends on beside its seed. Steps and ends of paths are in units of βu of the fastest
    sequence; no path goes on beyond `nats`, where there is nothing left to lose."""

    forget: PositiveInt = 24
    retain: PositiveInt = 96
    prompt: PositiveInt = 4
    answer: PositiveInt = 12
    vocab: PositiveInt = 64
    width: PositiveInt = 64
    heads: PositiveInt = 4
    layers: PositiveInt = 2
    expansion: PositiveInt = 2
    target: Annotated[float, Field(gt=0, lt=1)] = 0.9
    rate: Positive = 3e-3
    max_steps: PositiveInt = 1000
    betas: tuple[Positive, ...] = (0.1, 0.5, 1.0)
    examples: PositiveInt = 3
    single_step: Annotated[float, Field(gt=0, lt=1)] = 0.03
    single_until: Positive = 8.0
    set_step: Annotated[float, Field(gt=0, lt=1)] = 0.1
    set_until: Positive = 18.0
    nats: Positive = 100.0
    every: PositiveInt = 5

    def __post_init__(self) -> None:
        """Refuse equal betas, what `Sizes` and `Config` refuse, and paths too short for a slope."""
        distinct("betas", self.betas)
        _ = self.sizes, self.config
        for kind, step, until in (
            ("single", self.single_step, self.single_until),
            ("set", self.set_step, self.set_until),
        ):
            end = min(until, min(self.betas) * self.nats)
            if end < LEAST_STEPS * step:
                raise ValueError(
                    f"paths that end at {end:g} (the least of {kind}_until and least beta · nats) have fewer than "
                    f"{LEAST_STEPS} steps of {kind}_step={step:g}: take smaller steps or raise the end"
                )

    @property
    def sizes(self) -> Sizes:
        """How many sequences, how long."""
        return Sizes(self.forget, self.retain, self.prompt, self.answer, self.vocab)

    @property
    def config(self) -> Config:
        """The shape of the transformer."""
        return Config(self.vocab, self.sizes.length, self.width, self.heads, self.layers, self.expansion)

    @property
    def training(self) -> Training:
        """How π_ref is trained."""
        return Training(self.target, self.rate, self.max_steps)

    def scale(self, beta: float) -> float:
        """The unit in which drops are counted: β, and the least β for GA."""
        return beta or min(self.betas)


REPRODUCE = Preset()
QUICK = Preset(
    forget=8,
    retain=24,
    prompt=3,
    answer=8,
    examples=2,
    single_step=0.15,
    set_step=0.25,
    set_until=12.0,
    nats=60.0,
)


def name_of(beta: float) -> str:
    """GA for β = 0, else NPO-<β>."""
    return f"NPO-{beta:g}" if beta else "GA"


def units(preset: Preset, seed: int = 0) -> list[Unit]:
    """The units of this room, in order."""
    shared = asdict(preset) | {"seed": seed}
    found = [Unit(MEMORISE, shared, PACKAGES, _memorise_unit(preset, seed))]
    for kind, make in (("single", _single_unit), ("set", _set_unit)):
        for beta in (0.0, *preset.betas):
            settings = shared | {"beta": beta}
            found.append(
                Unit(f"transformer/{kind}-{name_of(beta)}", settings, PACKAGES, make(preset, seed, beta), (MEMORISE,))
            )
    return found


def _memorise_unit(preset: Preset, seed: int) -> Run:
    def run(folder: Path, inputs: Mapping[str, Path], progress: Progress) -> None:
        split = draw(preset.sizes, seed)
        # The model's generator must not repeat the data's numbers: its seed is another.
        start = initial(preset.config, torch.Generator().manual_seed(seed + 1_000_003))
        found = memorise(start, split.everything, preset.config, preset.training, progress)
        save_reference(folder, found.parameters)
        save(folder, describe(found, split, preset.config))

    return run


# --- what is measured -----------------------------------------------------------------------------------------


def coupling(config: Config, sequences: Sequences, parameters: Mapping[str, Tensor]) -> float:
    """The mean over i of Σ_{j≠i} K_ij / K_ii: 0 for orthogonal gradients, n − 1 for equal ones."""
    n = sequences.tokens.shape[0]
    ones = torch.ones_like(parameters["gain"][:1]).expand(n)
    together = n * rates(log_probs(config, sequences), parameters, ones).clock
    alone = [rates(log_probs(config, sequences.pick(i, i + 1)), parameters, ones[:1]).clock for i in range(n)]
    return float((together / torch.cat(alone) - 1).mean())


def _late(path: IntrinsicPath, scale: float) -> dict[str, float | None]:
    """Slopes against log t over the last factor √10 of time."""
    last = path.time >= path.time[-1] / np.sqrt(10)
    log_time, clock = np.log(path.time[last]), path.clock[last]
    slope = float(np.polyfit(log_time, path.drop[last].mean(axis=1), 1)[0])
    exponent = float(np.polyfit(log_time, np.log(clock), 1)[0].mean()) if (clock > 0).all() else None
    return {"slope": slope, "scaled_slope": scale * slope, "clock_exponent": exponent}


def _law(path: IntrinsicPath, beta: float, scale: float) -> dict[str, float]:
    """What finite steps leave of the law, the remainder included."""
    u, x = scale * path.drop, scale * (path.clock + path.remainder)
    on_law, time_of_drop = (curve(x), time_on_curve(u[-1])) if beta else (x, u[-1])
    relative = np.abs(time_of_drop / x[-1] - 1).max()
    return {"law_error": float(np.abs(u - on_law).max()), "law_error_relative": float(relative)}


def _columns(path: IntrinsicPath) -> dict[str, Array]:
    return {"time": path.time, "clock": path.clock, "drop": path.drop, "remainder": path.remainder}


def _run_values(seed: int, beta: float, scale: float, step: float) -> dict[str, Any]:
    return {"method": "NPO" if beta else "GA", "seed": seed, "beta": beta, "scale": scale, "step": step}


# --- one sequence alone ---------------------------------------------------------------------------------------


def _single_unit(preset: Preset, seed: int, beta: float) -> Run:
    def run(folder: Path, inputs: Mapping[str, Path], progress: Progress) -> None:
        reference, forget = load_reference(inputs[MEMORISE]), draw(preset.sizes, seed).forget
        scale, arrays, found = preset.scale(beta), dict[str, Array](), []
        for i in range(min(preset.examples, preset.forget)):
            progress(i, preset.examples)
            path = follow(
                log_probs(preset.config, forget.pick(i, i + 1)),
                reference,
                weight_by_drop(beta),
                step=preset.single_step,
                until=min(preset.single_until, scale * preset.nats),
                scale=scale,
            )
            arrays |= {f"{i}.{name}": column.reshape(-1) for name, column in _columns(path).items()}
            found.append(_law(path, beta, scale) | {"late": _late(path, scale)})
        save(folder, Data(arrays, _run_values(seed, beta, scale, preset.single_step) | {"sequences": found}))

    return run


# --- the forget set -------------------------------------------------------------------------------------------


class _Kept:
    """Looks at the retain sequences every few steps along a path, and at its end."""

    def __init__(self, preset: Preset, retain: Sequences) -> None:
        self.config, self.retain, self.every = preset.config, retain, preset.every
        self.observed: list[int] = []
        self.logp: list[float] = []
        self.accuracy: list[float] = []

    def __call__(self, step: int, parameters: Mapping[str, Tensor]) -> None:
        if step % self.every == 0:
            self.look(step, parameters)

    def look(self, step: int, parameters: Mapping[str, Tensor]) -> None:
        if step in self.observed:
            return
        self.observed.append(step)
        self.logp.append(float(log_probs(self.config, self.retain)(parameters).mean()))
        self.accuracy.append(greedy_accuracy(parameters, self.retain, self.config))

    def arrays(self) -> dict[str, Array]:
        return {
            "observed": np.asarray(self.observed),
            "retain_logp": np.asarray(self.logp),
            "retain_accuracy": np.asarray(self.accuracy),
        }


def _set_unit(preset: Preset, seed: int, beta: float) -> Run:
    def run(folder: Path, inputs: Mapping[str, Path], progress: Progress) -> None:
        reference, split = load_reference(inputs[MEMORISE]), draw(preset.sizes, seed)
        scale, kept = preset.scale(beta), _Kept(preset, split.retain)
        path = follow(
            log_probs(preset.config, split.forget),
            reference,
            weight_by_drop(beta),
            step=preset.set_step,
            until=min(preset.set_until, scale * preset.nats),
            scale=scale,
            observe=kept,
            progress=progress,
        )
        kept.look(path.time.size - 1, path.parameters)
        end, clock = scale * path.drop[-1], scale * path.clock[-1]
        alone = curve(clock) if beta else clock
        values = (
            _run_values(seed, beta, scale, preset.set_step) | _law(path, beta, scale) | {"late": _late(path, scale)}
        )
        values |= {
            "mean_drop": float(end.mean() / scale),
            "mean_of_curve": float(alone.mean() / scale),
            "departure": float(np.abs(end - alone).mean()),
            "coupling_start": coupling(preset.config, split.forget, reference),
            "coupling_end": coupling(preset.config, split.forget, path.parameters),
        }
        save(folder, Data(_columns(path) | kept.arrays(), values))

    return run
