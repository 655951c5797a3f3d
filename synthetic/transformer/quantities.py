"""What the small transformer has of the quantities that a kernel may ask for: all of them, for many runs at once.

The beginning of the forget answer before a positive one (`logp_win_after`) is its first half, and of a retain row the
positive answer is one of those of the forget rows, in turn (`synthetic.transformer.answers`).

Each has a leading axis of runs, (runs, rows, …); answers are equally long, so those of tokens are (runs, rows, tokens,
…) until they are handed to the loss of one run, example after example as `theory.kernel.QUANTITIES` has them.
Counts are not given of retain rows where the loss is one a token: a Kullback–Leibler divergence and its like are means
over answer tokens.
"""

import inspect
import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from records.errors import UserError
from synthetic.transformer.answers import after_a_beginning, answers_to
from synthetic.transformer.model import Config
from synthetic.transformer.reinforced import further
from synthetic.transformer.sequences import Sequences, SequenceSplit
from synthetic.transformer.stacked import (
    all_answer_hidden,
    all_answer_logits,
    all_log_probs,
    all_targets,
    all_token_log_probs,
)
from theory.kernel import QUANTITIES, Kernel, per_token
from theory.logprobs import answer_rows
from theory.objective import Objective

__all__ = ["ModelAsks", "Parts", "Stacked", "asked_of", "fixed", "moving", "of_run", "parts_of", "union"]

Parameters = Mapping[str, Tensor]
Stacked = dict[str, Tensor]
"""Quantities by name, with a leading axis of runs."""

Parts = Mapping[str, Sequences]
"""Rows with their answers: "" those themselves, "_win" the positive ones, "_alternate" the alternative ones,
"_win_after" the positive ones after a beginning of the answers themselves."""

_KINDS = ("", "_win", "_win_after", "_alternate")

_INDICES = frozenset({"example", "position", "labels"})


class ModelAsks(NamedTuple):
    """What is asked of the models, and of the hidden states after how many layers (0: of none)."""

    names: frozenset[str]
    layers: int = 0

    @property
    def moving(self) -> frozenset[str]:
        """What must be computed at every step; what the reference says is computed once."""
        return frozenset(name for name in self.names if name in QUANTITIES and QUANTITIES[name].moving)


def asked_of(objective: Objective, config: Config) -> tuple[ModelAsks, ModelAsks]:
    """What an objective asks of forget and of retain rows; UserError for a layer that there is none of."""
    forget = ModelAsks(objective.forget_needs | {"count", "count_win"}, _layers(objective.forget, config))
    if objective.retain is None:
        return forget, ModelAsks(frozenset())
    counts = frozenset() if per_token(objective.retain) else frozenset({"count"})
    return forget, ModelAsks(objective.retain_needs | counts, _layers(objective.retain, config))


def union(asked: Iterable[ModelAsks]) -> ModelAsks:
    """What several ask together, all of the same layer."""
    every = list(asked)
    return ModelAsks(frozenset().union(*(one.names for one in every)), every[0].layers)


def _layers(kernel: Kernel, config: Config) -> int:
    """After how many layers the states are that a kernel asks for, by its `layer`; 0 for one that asks for none."""
    parameter = inspect.signature(kernel).parameters.get("layer")
    if parameter is None:
        return 0
    layer = float(parameter.default)
    found = math.ceil(layer * config.layers) if layer < 1 else int(layer)
    if not 1 <= found <= config.layers:
        raise UserError(f"layer={layer:g}: the transformer has {config.layers} layer(s).")
    return found


def parts_of(split: SequenceSplit) -> tuple[Parts, Parts]:
    """The parts of the rows to forget and of those to keep."""
    forget = {"": split.forget, "_win": split.positive, "_win_after": after_a_beginning(split.forget, split.positive)}
    retain = {"": split.retain, "_win": answers_to(split.retain, split.positive)}
    return forget | ({} if split.alternate is None else {"_alternate": split.alternate}), retain


def moving(theta: Parameters, parts: Parts, asked: ModelAsks, config: Config) -> Stacked:
    """What the models say of these rows."""
    found, names = Stacked(), asked.moving
    if not names:
        return found
    for kind in _KINDS:
        if f"logp{kind}" in names:
            if kind not in parts:
                raise UserError(f"it takes logp{kind}, and these sequences have no such answers.")
            found[f"logp{kind}"] = all_log_probs(config, parts[kind])(theta)
        if f"mean_prob{kind}" in names:
            found[f"mean_prob{kind}"] = all_token_log_probs(theta, parts[kind], config).exp().mean(dim=-1)
    if "token_logp" in names:
        found["token_logp"] = all_token_log_probs(theta, parts[""], config)
    if "logits" in names:
        found["logits"] = all_answer_logits(theta, parts[""], config)
    if "hidden" in names:
        found["hidden"] = all_answer_hidden(theta, parts[""], config, asked.layers)
    return found


def fixed(reference: Parameters, parts: Parts, asked: ModelAsks, config: Config) -> Stacked:
    """What the references say of these rows, and what does not depend on a model."""
    of_reference = frozenset(name[4:] for name in asked.names if name.startswith("ref_"))
    with torch.no_grad():
        said = moving(reference, parts, ModelAsks(of_reference, asked.layers), config)
    found = {f"ref_{name}": x for name, x in said.items()}
    if "reinforced_logits" in asked.names:
        stronger = further(reference, parts[""], config)
        with torch.no_grad():
            found["reinforced_logits"] = all_answer_logits(stronger, parts[""], config)
    for kind, part in parts.items():
        if f"count{kind}" in asked.names:
            tokens = answer_rows(part.labels.flatten(0, 1), config.vocab).tokens
            found[f"count{kind}"] = tokens.view(part.labels.shape[:2])
    if asked.names & _INDICES:
        found["labels"] = all_targets(parts[""], config)
    return found


def of_run(stacked: Mapping[str, Tensor], run: int, asked: ModelAsks) -> Stacked:
    """The quantities that one run asks for, as its loss takes them: what is of tokens, example after example."""
    found = Stacked()
    for name in asked.names & stacked.keys():
        own = stacked[name][run]
        found[name] = own if QUANTITIES[name].level == "example" else own.flatten(0, 1)
    if places := asked.names & {"example", "position"}:
        index = torch.ones_like(stacked["labels"][run]).nonzero()
        found |= {name: index[:, ("example", "position").index(name)] for name in places}
    return found
