"""Answers made of others: a positive one after a beginning of the forget answer, and one to a retain prompt."""

import torch

from synthetic.transformer.sequences import Sequences
from theory.logprobs import IGNORE

__all__ = ["after_a_beginning", "answers_to"]


def _prompt(sequences: Sequences) -> int:
    """How many tokens come before the first answer."""
    return int((sequences.labels != IGNORE).flatten(0, -2).any(dim=0).int().argmax())


def _in_turn(answers: Sequences, prompts: Sequences) -> Sequences:
    """As many answers as there are prompts: they come round again where there are fewer."""
    turn = torch.arange(prompts.tokens.shape[-2], device=prompts.tokens.device) % answers.tokens.shape[-2]
    return answers.rows(turn)


def after_a_beginning(forget: Sequences, positive: Sequences) -> Sequences:
    """Prompts, the first half of the forget answers (rounded down), then the positive answers as far as there is room.

    Sequences keep their length, which is all that the models have places for. Labels are on the positive answer.
    """
    start, time = _prompt(forget), forget.tokens.shape[-1]
    half, said = (time - start) // 2, _in_turn(positive, forget)
    tokens = torch.cat([forget.tokens[..., : start + half], said.tokens[..., start : time - half]], dim=-1)
    ignored = torch.full_like(forget.labels[..., : start + half], IGNORE)
    return Sequences(tokens, torch.cat([ignored, said.labels[..., start : time - half]], dim=-1))


def answers_to(prompts: Sequences, answers: Sequences) -> Sequences:
    """The prompts of some sequences with the answers of others, which come round again where there are fewer."""
    start, said = _prompt(prompts), _in_turn(answers, prompts)
    return Sequences(torch.cat([prompts.tokens[..., :start], said.tokens[..., start:]], dim=-1), said.labels)
