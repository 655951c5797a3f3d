"""What is looked at while a small transformer unlearns.

Arrays over the steps looked at, of a forget set of n sequences; KLs and distances are nats, means over answer tokens:

    steps                                  how many steps had been taken
    drop (steps, n)                        u_i = log π_ref − log π_θ of each forget answer
    forget_kl, retain_kl                   E KL(π_ref ‖ π_θ)
    forget_distance, retain_distance       E KL(π_retr ‖ π_θ)
    reference_distance, parameter_distance ‖θ − θ_ref‖₂, ‖θ − θ_retr‖₂
    forget_accuracy, retain_accuracy       share of answer tokens that are the most likely ones, given those before
    retain_nll                             −log π_θ of kept answers, nats a token

with a kernel, at some of the steps (`kernel_steps`), K the tangent kernel of the forget sequences and as many to keep:

    kernel_own                             mean K_ii of forget sequences, nats² per unit of ‖θ‖²
    kernel_share                           mean over i of Σ_{j≠i} |K_ij| / Σ_j |K_ij| among forget sequences
    cosine_forget, cosine_retain           mean |K_ij| / √(K_ii K_jj) among forget sequences, and of them with kept ones

and in the language, by greedy decoding:

    forget_kinds, retain_kinds (steps, 4)  shares of answers that are right, well-formed, refusals, gibberish
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from synthetic.transformer.language import KINDS, WORDS, Language, kind
from synthetic.transformer.model import Config, answer_logits, greedy, log_probs, predicting, sample
from synthetic.transformer.sequences import Sequences, SequenceSplit, concatenated
from synthetic.transformer.stacked import tangent_kernel
from theory.logprobs import answer_rows, from_logits
from theory.retain import kl

__all__ = ["Answers", "Watcher", "kernel_facts"]

Array = np.ndarray
Parameters = Mapping[str, Tensor]
COUNTED = 100  # retain rows whose answers are decoded
SHOWN = 4  # forget and retain rows whose answers are kept to be read


def _distance(a: Parameters, b: Parameters) -> float:
    """‖a − b‖₂ over all parameters."""
    return float(torch.stack([(a[name] - b[name]).double().square().sum() for name in a]).sum().sqrt())


def kernel_facts(parameters: Parameters, split: SequenceSplit, config: Config) -> dict[str, float]:
    """The numbers about the tangent kernel that are named at the top of this file."""
    n = split.forget.tokens.shape[0]
    kept = split.retain.pick(0, n)
    K = tangent_kernel(parameters, concatenated(split.forget, kept), config).double()
    own = K.diagonal()
    cosine = (K / (own[:, None] * own).sqrt()).abs()
    among, apart = cosine[:n, :n], cosine[:n, n:]
    strength = K[:n, :n].abs()
    return {
        "kernel_own": float(own[:n].mean()),
        "kernel_share": float((1 - strength.diagonal() / strength.sum(dim=1)).mean()),
        "cosine_forget": float((among.sum() - among.diagonal().sum()) / max(n * (n - 1), 1)),
        "cosine_retain": float(apart.mean()),
    }


class Answers:
    """Answers of a model in the language: what kinds there are, and some to be read."""

    def __init__(self, language: Language, config: Config) -> None:
        self.language, self.config = language, config
        self.forget, self.retain = language.split.forget, language.split.retain.pick(0, COUNTED)

    def shares(self, parameters: Parameters) -> tuple[list[float], list[float]]:
        """The shares of answers of each kind, to forget and to kept questions."""
        both = concatenated(self.forget, self.retain)
        found = self.language.words(greedy(parameters, both.tokens[:, :WORDS], WORDS, self.config))
        kinds = [kind(answer, true) for answer, true in zip(found, self.language.answers(both), strict=True)]
        n = len(self.forget.tokens)
        forget, retain = ([of.count(name) / len(of) for name in KINDS] for of in (kinds[:n], kinds[n:]))
        return forget, retain

    def shown(self, parameters: Parameters) -> dict[str, list[dict[str, str]]]:
        """A few questions with the right answer, the greedy one, and one drawn from the model."""
        picked = (
            part.rows(torch.linspace(0, len(part.tokens) - 1, SHOWN).long()) for part in (self.forget, self.retain)
        )
        some = concatenated(*picked)
        asked = some.tokens[:, :WORDS]
        drawn = sample(parameters, asked, WORDS, self.config, torch.Generator().manual_seed(0))
        columns = {
            "question": self.language.questions(some),
            "right": self.language.answers(some),
            "greedy": self.language.words(greedy(parameters, asked, WORDS, self.config)),
            "sampled": self.language.words(drawn),
        }
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        return {"forget": rows[:SHOWN], "retain": rows[SHOWN:]}


@dataclass
class Watcher:
    """Looks at one run; ends it where its numbers are not finite any more, or its mean drop is past `nats`."""

    config: Config
    reference: Parameters
    retrained: Parameters
    split: SequenceSplit
    nats: float
    answers: Answers | None = None
    kernel_at: Collection[int] = ()
    shown_at: Collection[int] = ()
    diverged_at: int | None = None
    columns: dict[str, list[Any]] = field(default_factory=dict)
    shown: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        with torch.no_grad():
            self._start = log_probs(self.config, self.split.forget)(self.reference)
            self._logits = {
                (side, model): answer_logits(parameters, part, self.config)
                for side, part in self._sides()
                for model, parameters in (("kl", self.reference), ("distance", self.retrained))
            }

    def _sides(self) -> tuple[tuple[str, Sequences], ...]:
        return ("forget", self.split.forget), ("retain", self.split.retain)

    @torch.no_grad()
    def __call__(self, step: int, parameters: Parameters) -> bool:
        """Record one look; False where the run should end."""
        sides = {side: self._side(side, part, parameters) for side, part in self._sides()}
        drop = self._start - sides["forget"].pop("logp")
        if not bool(drop.isfinite().all()):
            self.diverged_at = step
            return False
        kept = sides["retain"].pop("logp")
        found: dict[str, Any] = {"steps": step, "drop": drop.double().cpu().numpy()}
        found |= {f"{side}_{name}": value for side, of in sides.items() for name, value in of.items()}
        found["retain_nll"] = float(-kept.sum() / len(self._logits["retain", "kl"]))
        found["reference_distance"] = _distance(parameters, self.reference)
        found["parameter_distance"] = _distance(parameters, self.retrained)
        if self.answers:
            found["forget_kinds"], found["retain_kinds"] = self.answers.shares(parameters)
            if step in self.shown_at:
                self.shown[str(step)] = self.answers.shown(parameters)
        if step in self.kernel_at:
            with torch.enable_grad():
                found |= {"kernel_steps": step, **kernel_facts(parameters, self.split, self.config)}
        for name, value in found.items():
            self.columns.setdefault(name, []).append(value)
        return float(drop.mean()) <= self.nats

    def _side(self, side: str, part: Sequences, parameters: Parameters) -> dict[str, Any]:
        """From one forward pass: log π_θ of each answer, accuracy and divergences."""
        every = predicting(parameters, part, self.config)
        answers = answer_rows(part.labels, self.config.vocab)
        now = every.flatten(0, 1)[answers.rows]
        found: dict[str, Any] = {"logp": from_logits(every, part.labels).logp}
        found["accuracy"] = float((now.argmax(dim=-1) == answers.targets).double().mean())
        return found | {name: float(kl(self._logits[side, name], now).mean()) for name in ("kl", "distance")}

    def arrays(self) -> dict[str, Array]:
        """The columns as float64 arrays."""
        return {name: np.asarray(column, dtype=np.float64) for name, column in self.columns.items()}


def recording(watchers: Mapping[str, Watcher]) -> Callable[[str, int, Parameters], bool]:
    """One observer for `synthetic.transformer.descent.unlearn_all` from a watcher for each label."""
    return lambda label, step, parameters: watchers[label](step, parameters)
