"""Parts of a language model that can be unlearned alone, from its output head up: what the law is watched on.

    head       the untied output head, on the final hidden states of the answers
    blocks     the last few blocks, on what comes into them
    adapter    LoRA on the whole model
    full       all weights

A rung is log-probabilities of answers as a function of parameters, as `theory.theorems.time.intrinsic_time` takes it.
The head is the multinomial logistic model of Theorem 2 but for near-orthogonality: its n answer positions have logits Z
= H Wᵀ, and gradient descent on W moves them by

    Z ← Z − (η/n) H Hᵀ (w ∘ (E − P)),      E one-hot targets, P = softmax(Z), w the weight of each position's answer

so nothing but Z (positions × vocabulary) and the Gram matrix H Hᵀ is needed, and the n × n kernel of the answers,
K_ij = Σ_{s∈i, t∈j} (H Hᵀ)_st ⟨(E − P)_s, (E − P)_t⟩, is had with it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call

from scale.data.prompts import Batch, Encoded, collate
from scale.models.folders.language_model import LanguageModel
from scale.models.loading.lora import Lora, adapted
from scale.models.reading.scorer import BatchPart, Scorer
from theory.logprobs import Head, answer_rows, summed
from theory.theorems.time.intrinsic_time import LogProbs, Parameters, Rates, RatesOf, rates

__all__ = ["Rung", "adapter", "blocks", "explicit_head", "full", "head", "head_of_tokens"]


class Rung(NamedTuple):
    """Log-probabilities of n answers, the parameters that they are a function of, and how fast they would fall."""

    log_probs: LogProbs
    parameters: Parameters
    rates_of: RatesOf = rates


def _batch(language_model: LanguageModel, rows: Sequence[Encoded], pad: int) -> Batch:
    """Rows where the model is."""
    return collate(rows, pad).to(language_model.model.device)


# --- the head ---------------------------------------------------------------------------------------------------


class AnswerPositions(NamedTuple):
    """Answer positions: the hidden states that predict them (positions, width), targets, whose they are."""

    hidden: Tensor
    targets: Tensor
    example: Tensor
    head: Head


@torch.no_grad()
def _answers(language_model: LanguageModel, rows: Sequence[Encoded], pad: int) -> AnswerPositions:
    scorer = Scorer(language_model.model.eval())
    batch = _batch(language_model, rows, pad)
    hidden = scorer.hidden(batch.ids, batch.mask).flatten(0, 1)
    found = answer_rows(batch.labels, scorer.head().weight.shape[0])
    return AnswerPositions(hidden[found.rows].double(), found.targets, found.example, scorer.head())


def head(language_model: LanguageModel, rows: Sequence[Encoded], pad: int) -> Rung:
    """The output head, in float64, by the Gram matrix of its inputs; the parameters are the logits."""
    answers = _answers(language_model, rows, pad)
    return _by_gram_matrix(answers, answers.example, len(rows))


def head_of_tokens(language_model: LanguageModel, row: Encoded, pad: int, which: slice) -> Rung:
    """The output head on some tokens of one answer, each an example of its own, as losses of tokens look at them."""
    every = _answers(language_model, [row], pad)
    answers = every._replace(hidden=every.hidden[which], targets=every.targets[which])
    n = len(answers.targets)
    return _by_gram_matrix(answers, torch.arange(n, device=answers.targets.device), n)


def _by_gram_matrix(answers: AnswerPositions, example: Tensor, n: int) -> Rung:
    """n examples; `example` says whose each position is."""
    gram = answers.hidden @ answers.hidden.T
    place = torch.arange(len(answers.targets), device=gram.device)
    whose = torch.zeros(n, len(place), dtype=torch.float64, device=gram.device)
    whose[example, place] = 1.0
    bias = answers.head.bias
    logits = answers.hidden @ answers.head.weight.detach().double().T + (0 if bias is None else bias.detach().double())

    def log_probs(parameters: Parameters) -> Tensor:
        z = parameters["logits"]
        return whose @ (z[place, answers.targets] - torch.logsumexp(z, dim=-1))

    def rates_of(_: LogProbs, parameters: Parameters, weight: Tensor) -> Rates:
        residual = -torch.softmax(parameters["logits"], dim=-1)
        residual[place, answers.targets] += 1.0
        kernel = whose @ (gram * (residual @ residual.T)) @ whose.T
        direction = (gram * weight[example]) @ residual / n
        return Rates(kernel.mean(dim=1), kernel @ weight / n, {"logits": direction})

    return Rung(log_probs, {"logits": logits}, rates_of)


def explicit_head(language_model: LanguageModel, rows: Sequence[Encoded], pad: int) -> Rung:
    """The output head by its own weights: for optimizers that look at each, and to check `head`, which has logits."""
    answers = _answers(language_model, rows, pad)
    hidden, bias = answers.hidden.to(answers.head.weight.dtype), answers.head.bias
    which = torch.zeros(len(rows), len(answers.targets), dtype=hidden.dtype, device=hidden.device)
    which[answers.example, torch.arange(len(answers.targets), device=hidden.device)] = 1.0

    def log_probs(parameters: Parameters) -> Tensor:
        z = hidden @ parameters["weight"].T + (0 if bias is None else bias.detach())
        chosen = z.gather(1, answers.targets[:, None])[:, 0]
        return which @ (chosen - torch.logsumexp(z, dim=-1))

    return Rung(log_probs, {"weight": answers.head.weight.detach().clone()})


# --- blocks -----------------------------------------------------------------------------------------------------


class _Top(nn.Module):
    """The last blocks and the final norm of a decoder, on what came into the first of them."""

    def __init__(self, body: nn.Module, count: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(list(body.layers)[-count:])  # type: ignore[arg-type]
        norm = getattr(body, "norm", None) or getattr(body, "final_layernorm", None)
        assert isinstance(norm, nn.Module)
        self.norm = norm

    def forward(self, hidden: Tensor, given: Mapping[str, Any]) -> Tensor:
        for block in self.blocks:
            out = block(hidden, **given)
            hidden = out[0] if isinstance(out, tuple) else out
        return self.norm(hidden)


def blocks(language_model: LanguageModel, rows: Sequence[Encoded], pad: int, count: int) -> Rung:
    """The last `count` blocks and the final norm; all below, and the head, stay as they are."""
    scorer = Scorer(language_model.model.eval())
    body = scorer.plain.get_decoder()
    top, batch = _Top(body, count), _batch(language_model, rows, pad)
    hidden, given = _comes_in(scorer, top.blocks[0], batch)
    out, labels = scorer.head(), batch.labels
    fixed = Head(out.weight.detach(), None if out.bias is None else out.bias.detach(), out.softcap)
    scale = scorer.scale

    def log_probs(parameters: Parameters) -> Tensor:
        return summed(functional_call(top, dict(parameters), (hidden, given)) * scale, fixed, labels).logp

    return Rung(log_probs, {name: p.detach().clone() for name, p in top.named_parameters()})


@torch.no_grad()
def _comes_in(scorer: Scorer, block: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, Any]]:
    """The hidden states that come into a block, and everything else that it is given."""
    seen: dict[str, Any] = {}

    def look(module: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        seen.update({"hidden_states": arguments[0]} if arguments else {}, **named)

    handle = block.register_forward_pre_hook(look, with_kwargs=True)
    scorer.hidden(batch.ids, batch.mask)
    handle.remove()
    return seen.pop("hidden_states").detach(), seen


# --- adapter and all --------------------------------------------------------------------------------------------


def full(language_model: LanguageModel, rows: Sequence[Encoded], pad: int) -> Rung:
    """All weights; a tied head stays tied."""
    return _whole(language_model, rows, pad)


def adapter(language_model: LanguageModel, rows: Sequence[Encoded], pad: int, lora: Lora, base: str) -> Rung:
    """A fresh LoRA adapter, which changes nothing yet; the model below is frozen."""
    return _whole(adapted(language_model, lora, seed=0, base=base), rows, pad)


def _whole(language_model: LanguageModel, rows: Sequence[Encoded], pad: int) -> Rung:
    scorer, batch = Scorer(language_model.model.eval()), _batch(language_model, rows, pad)
    parts = [BatchPart(len(rows))]

    def log_probs(parameters: Parameters) -> Tensor:
        (found,) = functional_call(scorer, dict(parameters), (batch, parts))
        return found["logp"]

    return Rung(log_probs, {name: p.detach().clone() for name, p in scorer.named_parameters() if p.requires_grad})
