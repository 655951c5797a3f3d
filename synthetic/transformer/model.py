"""A small decoder-only transformer as a pure function of its parameters: tokens in, logits out.

    x_0 = E[token] + P[position]
    x   ← x + attention(norm(x)),   x ← x + mlp(norm(x))        in every layer (pre-norm)
    logits = norm(x) Uᵀ                                          (log-probabilities of them by `theory.logprobs`)

Everything is spelled out in differentiable primitives, softmax attention included, so that gradients (vjp) and
directional derivatives (jvp) of all log-probabilities can be taken; any device, float32 or float64.
Source of the architecture: Radford et al., Language Models are Unsupervised Multitask Learners (2019), with the
root-mean-square norm of arXiv:1910.07467.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor
from torch.nn.functional import pad, silu

from synthetic.transformer.sequences import Sequences
from theory.logprobs import answer_rows, from_logits

__all__ = [
    "Config",
    "answer_logits",
    "cast",
    "greedy",
    "greedy_accuracy",
    "hidden",
    "initial",
    "log_probs",
    "logits",
    "parameter_count",
    "predicting",
    "sample",
]

Parameters = Mapping[str, Tensor]


@dataclass(frozen=True)
class Config:
    """The shape of a transformer; `length` is the longest sequence, `expansion` the width of the MLP over `width`."""

    vocab: int
    length: int
    width: int
    heads: int
    layers: int
    expansion: int

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} must be a multiple of heads {self.heads}.")


def _sizes(config: Config) -> dict[str, tuple[tuple[int, int], float]]:
    """Name -> shape and standard deviation of each matrix, applied as x @ matrix.

    1/√fan_in keeps the scale of its input; what writes into the residual stream is divided by √(2 layers) more, so
    that the stream's scale at the end depends little on depth.
    """
    d, m = config.width, config.expansion * config.width
    write = 1 / math.sqrt(2 * config.layers)
    found: dict[str, tuple[tuple[int, int], float]] = {
        "embedding": ((config.vocab, d), 1.0),
        "position": ((config.length, d), 0.5),
        "unembedding": ((config.vocab, d), 1 / math.sqrt(d)),
    }
    for i in range(config.layers):
        found[f"{i}.attend.in"] = ((d, 3 * d), 1 / math.sqrt(d))
        found[f"{i}.attend.out"] = ((d, d), write / math.sqrt(d))
        found[f"{i}.mlp.in"] = ((d, m), 1 / math.sqrt(d))
        found[f"{i}.mlp.out"] = ((m, d), write / math.sqrt(m))
    return found


def initial(config: Config, generator: torch.Generator) -> dict[str, Tensor]:
    """Random float32 parameters, drawn in a fixed order from the generator; gains of norms start at 1.

    >>> parameters = initial(Config(8, 4, 4, 1, 1, 2), torch.Generator().manual_seed(0))
    >>> parameters["embedding"].shape, parameters["0.mlp.in"].shape, parameters["gain"]
    (torch.Size([8, 4]), torch.Size([4, 8]), tensor([1., 1., 1., 1.]))
    """
    parameters = {
        name: scale * torch.randn(shape, generator=generator) for name, (shape, scale) in _sizes(config).items()
    }
    gains = ["gain", *(f"{i}.{part}.gain" for i in range(config.layers) for part in ("attend", "mlp"))]
    return parameters | {name: torch.ones(config.width) for name in gains}


def parameter_count(parameters: Parameters) -> int:
    """How many numbers the model has."""
    return sum(p.numel() for p in parameters.values())


def cast(parameters: Parameters, dtype: torch.dtype, device: torch.device | str = "cpu") -> dict[str, Tensor]:
    """Parameters in another precision, on another device."""
    return {name: p.detach().to(device=device, dtype=dtype) for name, p in parameters.items()}


def _norm(x: Tensor, gain: Tensor) -> Tensor:
    return x * torch.rsqrt((x * x).mean(dim=-1, keepdim=True) + 1e-6) * gain


def _attention(x: Tensor, into: Tensor, out: Tensor, heads: int) -> Tensor:
    """softmax(QKᵀ/√d_head + causal mask) V, head by head; x (batch, time, width)."""
    batch, time, width = x.shape
    q, k, v = (x @ into).view(batch, time, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
    score = q @ k.transpose(-1, -2) / math.sqrt(width // heads)
    future = torch.ones(time, time, dtype=torch.bool, device=x.device).triu(1)
    weight = torch.softmax(score.masked_fill(future, -math.inf), dim=-1)
    return (weight @ v).transpose(1, 2).reshape(batch, time, width) @ out


def _states(parameters: Parameters, tokens: Tensor, config: Config) -> Iterator[Tensor]:
    """x (batch, time, width) after each layer, from the first on."""
    p = parameters
    x = p["embedding"][tokens] + p["position"][: tokens.shape[1]]
    for i in range(config.layers):
        a, m = f"{i}.attend", f"{i}.mlp"
        x = x + _attention(_norm(x, p[f"{a}.gain"]), p[f"{a}.in"], p[f"{a}.out"], config.heads)
        x = x + silu(_norm(x, p[f"{m}.gain"]) @ p[f"{m}.in"]) @ p[f"{m}.out"]
        yield x


def logits(parameters: Parameters, tokens: Tensor, config: Config) -> Tensor:
    """Logits (batch, time, vocab) of what follows each of tokens (batch, time); position t sees tokens 0 … t only."""
    *_, last = _states(parameters, tokens, config)
    return _norm(last, parameters["gain"]) @ parameters["unembedding"].T


def predicting(parameters: Parameters, sequences: Sequences, config: Config) -> Tensor:
    """The logits at every position of sequences; those at the last, which predicts nothing, are left at 0."""
    return pad(logits(parameters, sequences.tokens[:, :-1], config), (0, 0, 0, 1))


def hidden(parameters: Parameters, sequences: Sequences, config: Config, layers: int) -> Tensor:
    """The state (batch, time, width) after so many layers at every position; 0 at the last, which predicts nothing."""
    found = next(islice(_states(parameters, sequences.tokens[:, :-1], config), layers - 1, None))
    return pad(found, (0, 0, 0, 1))


def log_probs(config: Config, sequences: Sequences) -> Callable[[Parameters], Tensor]:
    """The map parameters -> log π_θ(y|x) (batch,), summed over the tokens of each answer, in nats."""
    return lambda parameters: from_logits(predicting(parameters, sequences, config), sequences.labels).logp


def answer_logits(parameters: Parameters, sequences: Sequences, config: Config) -> Tensor:
    """The logits (answer tokens of all sequences, vocab) that predict the tokens of the answers."""
    return predicting(parameters, sequences, config).flatten(0, 1)[answer_rows(sequences.labels, config.vocab).rows]


def greedy_accuracy(parameters: Parameters, sequences: Sequences, config: Config) -> float:
    """The share of answer tokens that are the model's most likely token, given the true tokens before them."""
    guess = answer_logits(parameters, sequences, config).argmax(dim=-1)
    return float((guess == answer_rows(sequences.labels, config.vocab).targets).double().mean())


def greedy(parameters: Parameters, prompts: Tensor, length: int, config: Config) -> Tensor:
    """The `length` most likely tokens (batch, length) after prompts (batch, time), one after the other."""
    return _continued(parameters, prompts, length, config, lambda following: following.argmax(dim=-1, keepdim=True))


def sample(parameters: Parameters, prompts: Tensor, length: int, config: Config, generator: torch.Generator) -> Tensor:
    """`length` tokens (batch, length) drawn from the model after prompts (batch, time), at temperature 1.

    The generator is one of the CPU, so that a seed draws the same on every device.
    """
    return _continued(
        parameters,
        prompts,
        length,
        config,
        lambda following: torch.multinomial(following.softmax(dim=-1).cpu(), 1, generator=generator).to(prompts.device),
    )


def _continued(
    parameters: Parameters, prompts: Tensor, length: int, config: Config, choose: Callable[[Tensor], Tensor]
) -> Tensor:
    tokens = prompts
    for _ in range(length):
        tokens = torch.cat([tokens, choose(logits(parameters, tokens, config)[:, -1])], dim=1)
    return tokens[:, prompts.shape[1] :]
