"""What can be measured of a model on a question: the names that a metric's parameters may have.

A metric is called with one question at a time, and returns its number. One that takes `losses` or `log_ratio` is
called with a whole set, and returns a number for each question. Nothing is computed that no metric asks for.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

__all__ = ["END", "GENERATED", "LOOKED", "MEASURABLE", "Measurable", "scored"]

END = "_with_end"
"""Names of tokens' values end so where the end token's is among them."""


class Measurable(NamedTuple):
    """What a name stands for: of a question, of its answers, of the tokens of the true one, or of a whole set."""

    name: str
    level: Literal["question", "answer", "token", "set"]
    shape: str
    unit: str
    about: str


_TOKENS = (
    Measurable("token_logp", "token", "(tokens,)", "nats", "log-probability of each token of the true answer"),
    Measurable("labels", "token", "(tokens,)", "token id", "the tokens of the true answer"),
    Measurable("predicted", "token", "(tokens,)", "token id", "the likeliest token in the place of each"),
    Measurable("lead", "token", "(tokens,)", "nats", "by how much that one's log-probability leads the next one's"),
    Measurable("mean_logp", "token", "(tokens,)", "nats", "Σ_v p(v) log p(v) over the vocabulary, there"),
    Measurable("variance", "token", "(tokens,)", "nats²", "the variance of log p(v) under p, there"),
)

MEASURABLE: Mapping[str, Measurable] = {
    one.name: one
    for one in (
        Measurable("prompt", "question", "text", "", "what is asked, for a person"),
        Measurable("truth", "question", "text", "", "the true answer"),
        Measurable("text", "question", "text", "", "the answer that the model generates"),
        Measurable("generated", "question", "(new tokens,)", "token id", "its tokens, without the end token"),
        Measurable("paraphrases", "question", "integer", "", "how many answers after the true one paraphrase it"),
        Measurable(
            "loss", "answer", "(answers,)", "nats a token", "mean −log p of each answer, its end token included"
        ),
        Measurable("true_loss", "answer", "number", "nats a token", "that of the true answer"),
        Measurable("tokens", "answer", "(answers,)", "", "tokens of each answer, its end token included"),
        *_TOKENS,
        *(one._replace(name=one.name + END, about=one.about + "; the end token too") for one in _TOKENS),
        Measurable("losses", "set", "Losses", "nats a token", "of all questions: answer, paraphrase, wrong answers"),
        Measurable("log_ratio", "set", "(questions,)", "", "log of the truth ratio, as the protocol has it"),
    )
}
GENERATED = frozenset({"text", "generated"})
"""What is only there where the model has generated its answers."""
LOOKED = frozenset({"predicted", "lead", "mean_logp", "variance"})
"""What is seen in the logits of a token besides its log-probability."""


def scored(name: str) -> bool:
    """Must the answers' tokens be scored to know this?"""
    return MEASURABLE[name].level != "question"
