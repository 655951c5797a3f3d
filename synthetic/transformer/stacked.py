"""Several transformers of one shape as one: parameters with a leading axis, the runs.

A small model keeps a processor waiting for the next small product; many of them in one batched product do not. Runs may
differ in parameters, sequences, objective and seed; nothing of one enters another, so the gradient of the sum of
their losses holds the gradient of each.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial

import torch
from torch import Tensor
from torch.func import vmap

from synthetic.transformer.model import Config, hidden, predicting
from synthetic.transformer.sequences import Sequences
from theory.logprobs import AnswerRows, answer_rows, from_logits, token_logprobs_from_logits

__all__ = [
    "all_answer_hidden",
    "all_answer_logits",
    "all_log_probs",
    "all_targets",
    "all_token_log_probs",
    "repeat",
    "stack",
    "stack_sequences",
    "tangent_kernel",
]

Parameters = Mapping[str, Tensor]


def stack(models: Iterable[Parameters]) -> dict[str, Tensor]:
    """The parameters of several models, (runs, …) by name.

    >>> stack([{"gain": torch.ones(2)}, {"gain": torch.zeros(2)}])["gain"]
    tensor([[1., 1.],
            [0., 0.]])
    """
    found = list(models)
    return {name: torch.stack([model[name] for model in found]) for name in found[0]}


def repeat(model: Parameters, runs: int) -> dict[str, Tensor]:
    """One model's parameters (runs, …) by name, the same in every run; a view until somebody writes."""
    return {name: p.expand(runs, *p.shape) for name, p in model.items()}


def stack_sequences(parts: Iterable[Sequences]) -> Sequences:
    """Sequences of several runs, (runs, batch, time)."""
    return Sequences(*(torch.stack(column) for column in zip(*parts, strict=True)))


def _all_predicting(parameters: Parameters, sequences: Sequences, config: Config) -> Tensor:
    """The logits (runs, batch, time, vocab) of every run on its own sequences."""
    found: Tensor = vmap(partial(predicting, config=config))(parameters, sequences)
    return found


def all_log_probs(config: Config, sequences: Sequences) -> Callable[[Parameters], Tensor]:
    """The map parameters -> log π_θ(y|x) (runs, batch) in nats; `model.log_probs` of every run."""
    labels = sequences.labels.flatten(0, 1)

    def of(parameters: Parameters) -> Tensor:
        every = _all_predicting(parameters, sequences, config)
        return from_logits(every.flatten(0, 1), labels).logp.view(every.shape[:2])

    return of


def all_token_log_probs(parameters: Parameters, sequences: Sequences, config: Config) -> Tensor:
    """log π_θ (runs, batch, answer tokens) of each answer token in nats; all answers must be equally long."""
    _equally_long(sequences, config)
    every = _all_predicting(parameters, sequences, config)
    return _by_answer(token_logprobs_from_logits(every.flatten(0, 1), sequences.labels.flatten(0, 1)).logp, sequences)


def all_answer_logits(parameters: Parameters, sequences: Sequences, config: Config) -> Tensor:
    """The logits (runs, batch, answer tokens, vocab) that predict answers; all answers must be equally long."""
    return _at_answers(_all_predicting(parameters, sequences, config), sequences, config)


def all_answer_hidden(parameters: Parameters, sequences: Sequences, config: Config, layers: int) -> Tensor:
    """The states (runs, batch, answer tokens, width) after so many layers, where answers are predicted."""
    every: Tensor = vmap(partial(hidden, config=config, layers=layers))(parameters, sequences)
    return _at_answers(every, sequences, config)


def all_targets(sequences: Sequences, config: Config) -> Tensor:
    """The tokens (runs, batch, answer tokens) of the answers; ValueError where some are longer than others."""
    return _by_answer(_equally_long(sequences, config).targets, sequences)


def _at_answers(every: Tensor, sequences: Sequences, config: Config) -> Tensor:
    """Those (runs, batch, answer tokens, …) of all positions (runs, batch, time, …) that predict answers."""
    return _by_answer(every.flatten(0, 2)[_equally_long(sequences, config).rows], sequences)


def _equally_long(sequences: Sequences, config: Config) -> AnswerRows:
    """Where the answers are; ValueError where some are longer than others."""
    found = answer_rows(sequences.labels.flatten(0, 1), config.vocab)
    if bool((found.tokens != found.tokens[0]).any()):
        raise ValueError("Answers must be equally long where a loss is made of their tokens.")
    return found


def _by_answer(of_tokens: Tensor, sequences: Sequences) -> Tensor:
    return of_tokens.unflatten(0, (*sequences.labels.shape[:2], -1))


def tangent_kernel(parameters: Parameters, sequences: Sequences, config: Config) -> Tensor:
    """K_ij = ⟨∇log π(y_i|x_i), ∇log π(y_j|x_j)⟩ (batch, batch) of one model.

    Each sequence gets a copy of the model, so that one backward pass makes all gradients apart.
    """
    alone = Sequences(*(x[:, None] for x in sequences))
    theta = {name: p.detach().requires_grad_() for name, p in repeat(parameters, len(alone.tokens)).items()}
    gradient = torch.autograd.grad(all_log_probs(config, alone)(theta).sum(), list(theta.values()))
    jacobian = torch.cat([g.flatten(1) for g in gradient], dim=1)
    return jacobian @ jacobian.T
