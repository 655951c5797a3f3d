"""Answers drawn from a model, many to each question: its prompt is read once, and each answer has chances of its own.

A token is the one at which the sum of probabilities, in the vocabulary's order, passes a number u in [0, 1). The
numbers of an answer follow from the seed, its prompt and which of the prompt's answers it is: what stands beside it in
a batch, how many answers are drawn and which other questions are asked change none (but by rounding, where u falls on
an edge). Two models are drawn from with the same numbers, so that their shares differ by the models more than by luck.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.distributed.fsdp import FSDPModule
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

from records.errors import UserError
from scale.data.prompts import Writer
from scale.models.answering.faster import goes_on, seen_of, way_of
from scale.models.answering.generation import Answer, degenerate
from scale.models.answering.greedy import Going
from scale.models.answering.kept_rows import Kept, Stretch, reading_on
from scale.models.reading.scorer import Scorer
from scale.runtime.processes import Processes

__all__ = ["Drawing", "chosen", "drawn"]

_TOKENS, _KEPT = 4096, 64 * 2**20
"""Tokens of the answers that are on their way at once, and bytes that may be kept of them where that allows more."""


@dataclass(frozen=True)
class Drawing:
    """How answers are drawn: `count` to each question, from p^(1/temperature), of the likeliest tokens alone.

    These are the fewest that have `top_p` of the probability. An answer has `new_tokens` at most. UserError where a
    number means nothing.
    """

    count: int = 32
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int = 0
    new_tokens: int = 200

    def __post_init__(self) -> None:
        """Refuse numbers that mean nothing."""
        wrong = [f"{name}={value}" for name, value in vars(self).items() if name != "seed" and not value > 0]
        wrong += [f"top_p={self.top_p}"] if self.top_p > 1 else []
        if wrong:
            raise UserError(
                f"Answers can't be drawn with {', '.join(wrong)}: counts and the temperature are above 0, top_p is "
                "between 0 and 1."
            )

    def chances(self, opening: Sequence[int]) -> np.ndarray:
        """The numbers that decide the answers after a prompt, (count, new_tokens)."""
        return np.random.default_rng([self.seed, *opening]).random((self.count, self.new_tokens))


def chosen(logits: Tensor, chances: Tensor, how: Drawing) -> Tensor:
    """The tokens (rows,) that numbers in [0, 1), (rows,), choose by the logits (rows, vocabulary).

    >>> chosen(torch.log(torch.tensor([[0.25, 0.0, 0.75]] * 3)), torch.tensor([0.0, 0.2, 0.3]), Drawing())
    tensor([0, 0, 2])
    """
    p = (logits.float() / how.temperature).softmax(dim=-1)
    if how.top_p < 1:
        ordered, order = p.sort(dim=-1, descending=True)
        before = ordered.cumsum(dim=-1, dtype=torch.float64) - ordered
        p = p.masked_fill(torch.zeros_like(p, dtype=torch.bool).scatter(1, order, before >= how.top_p), 0.0)
    reached = p.cumsum(dim=-1, dtype=torch.float64)
    sought = chances.to(reached)[:, None] * reached[:, -1:]
    return torch.searchsorted(reached, sought, right=True)[:, 0].clamp(max=logits.shape[1] - 1)


@torch.no_grad()
def drawn(
    scorer: torch.nn.Module, openings: Sequence[Sequence[int]], writer: Writer, processes: Processes, how: Drawing
) -> list[list[Answer]]:
    """`how.count` answers after each of some token ids, in their order; an answer ends as a greedy one does.

    UserError where what is asked is as long as the model reads.
    """
    module: Scorer = processes.accelerator.unwrap_model(scorer)
    module.eval()
    openings = [seen_of(opening, writer.unseen) or opening for opening in openings]
    left = [min(how.new_tokens, writer.max_length - len(opening)) for opening in openings]
    if any(n < 1 for n in left):
        raise UserError(f"A question has as many tokens as the model reads ({writer.max_length}): shorten it.")
    ends = {writer.end, *(x for x in [writer.tokenizer.eos_token_id] if x is not None)}
    found = torch.zeros((len(openings), how.count, how.new_tokens + 1), dtype=torch.int32)
    asked = [_Asked(tuple(opening), n, ends) for opening, n in zip(openings, left, strict=True)]
    for batch, spare in processes.share(_batches(scorer, asked, processes, how)):
        with processes.accelerator.autocast():
            made = _made(scorer, [asked[i] for i in batch], writer, processes, how)
        if not spare:
            for i, answers in zip(batch, made, strict=True):
                for j, ids in enumerate(answers):
                    found[i, j, : len(ids)] = torch.tensor(ids, dtype=torch.int32)
                    found[i, j, -1] = len(ids)
    return [[_answer(row[: int(row[-1])].tolist(), writer) for row in rows] for rows in processes.together(found)]


class _Asked(NamedTuple):
    """A prompt, how many tokens an answer may have, and which end it."""

    opening: tuple[int, ...]
    left: int
    ends: set[int]


def _answer(ids: list[int], writer: Writer) -> Answer:
    text = str(writer.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))
    return Answer(text.strip(), degenerate(ids, text), tuple(ids))


def _room(module: Scorer, processes: Processes) -> int:
    """Tokens of all answers that are on their way at once."""
    return processes.room(max(_TOKENS, _KEPT // (8 * module.blocks * module.width)))  # a key, a value, of 4 bytes each


def _batches(scorer: torch.nn.Module, asked: Sequence[_Asked], processes: Processes, how: Drawing) -> list[list[int]]:
    """Questions whose answers are drawn together: as many as there is room for, one at the least."""
    room, batches, longest = _room(processes.accelerator.unwrap_model(scorer), processes), list[list[int]](), 0
    for i, one in enumerate(asked):
        longest = max(longest, len(one.opening) + one.left)
        if batches and (len(batches[-1]) + 1) * how.count * longest <= room:
            batches[-1].append(i)
        else:
            batches.append([i])
            longest = len(one.opening) + one.left
    return batches


def _made(
    scorer: torch.nn.Module, asked: Sequence[_Asked], writer: Writer, processes: Processes, how: Drawing
) -> list[list[list[int]]]:
    """The tokens of every answer to each question of a batch."""
    module: Scorer = processes.accelerator.unwrap_model(scorer)
    tried = [Going(list(one.opening), one.left) for one in asked]
    if min(len(one.opening) for one in asked) < 2 or not goes_on(scorer, tried, processes):
        return [_by_library(scorer, one, writer, processes, how) for one in asked]
    width = max(len(one.opening) + one.left for one in asked)
    most = max(1, _room(module, processes) // width)
    found: list[list[list[int]]] = [[] for _ in asked]
    for part in _parts(asked, how, most):
        for number, answer in part:
            found[number].append(answer.new)
        _read_together(module, [(asked[number], answer) for number, answer in part], width, how)
    return found


@dataclass
class _Drawn:
    """An answer on its way: the numbers that decide it, and its tokens so far."""

    chances: np.ndarray
    new: list[int] = field(default_factory=list)


def _parts(asked: Sequence[_Asked], how: Drawing, most: int) -> Iterator[list[tuple[int, _Drawn]]]:
    """All answers of a batch, so many at a time, with the question that each is to."""
    every = [(i, _Drawn(row)) for i, one in enumerate(asked) for row in how.chances(one.opening)]
    for start in range(0, len(every), most):
        yield every[start : start + most]


def _read_together(module: Scorer, answers: Sequence[tuple[_Asked, _Drawn]], width: int, how: Drawing) -> None:
    """Let these answers go on to their end; each prompt is read once, and stands in the line of each of its answers."""
    kept = Kept(len(answers), width, module.plain.device)
    with reading_on(module.plain, kept):
        _begin(module, kept, [one for one, _ in answers])
        going = list(answers)
        while going:
            last = [
                ([*one.opening[-1:], *answer.new][-1], len(one.opening) - 1 + len(answer.new)) for one, answer in going
            ]
            hidden = _read(module, kept, [[token] for token, _ in last], [place for _, place in last])
            chances = torch.tensor([answer.chances[len(answer.new)] for _, answer in going])
            tokens = chosen(module.head().logits(hidden), chances, how).tolist()
            going = _closed_up(kept, going, tokens)


def _begin(module: Scorer, kept: Kept, asked: Sequence[_Asked]) -> None:
    """Read all but the last token of every prompt into the lines of its answers, which stand one after another."""
    first = [i for i, one in enumerate(asked) if i == 0 or one is not asked[i - 1]]
    _read(module, kept, [asked[i].opening[:-1] for i in first], [0] * len(first))
    for line, start in reversed(list(enumerate(first))):  # from behind, since prompts stand in the first lines
        stop = next((other for other in first if other > start), len(asked))
        for to in range(start, stop):
            kept.move(line, to)


def _read(module: Scorer, kept: Kept, tokens: Sequence[Sequence[int]], starts: Sequence[int]) -> Tensor:
    """Final states of what each line reads, from its start on."""
    places = kept.begin([Stretch(start, len(one)) for start, one in zip(starts, tokens, strict=True)])
    ids = torch.tensor([token for one in tokens for token in one], device=places.device)
    kept_says = torch.ones(1, 1, 1, 1, dtype=torch.long, device=places.device)  # four dimensions: handed on as it is
    return module.states(ids[None], kept_says, places[None])[0]


def _closed_up(
    kept: Kept, going: Sequence[tuple[_Asked, _Drawn]], tokens: Sequence[int]
) -> list[tuple[_Asked, _Drawn]]:
    """The answers that have not ended, with their new tokens, in the first lines."""
    left = list(going)
    for i in reversed(range(len(left))):
        asked, answer = left[i]
        ended = tokens[i] in asked.ends
        if not ended:
            answer.new.append(tokens[i])
        if ended or len(answer.new) == asked.left:
            last = left.pop()
            if i < len(left):
                kept.move(len(left), i)
                left[i] = last
    return left


class _Choosing(LogitsProcessor):
    """Leaves the library's greedy generation one token: the one that is drawn."""

    def __init__(self, chances: Tensor, start: int, how: Drawing) -> None:
        self.chances, self.start, self.how = chances, start, how

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """0 for the token that is drawn, -∞ for all others."""
        tokens = chosen(scores, self.chances[:, input_ids.shape[1] - self.start], self.how)
        return torch.full_like(scores, -torch.inf).scatter(1, tokens[:, None], 0.0)


def _by_library(
    scorer: torch.nn.Module, asked: _Asked, writer: Writer, processes: Processes, how: Drawing
) -> list[list[int]]:
    """The answers to one question by the library's generation, which reads its prompt for each of them."""
    module: Scorer = processes.accelerator.unwrap_model(scorer)
    device, start = processes.accelerator.device, len(asked.opening)
    most = max(1, _room(module, processes) // (start + asked.left))
    way = way_of(scorer, [asked.opening], writer, processes)
    settings = GenerationConfig(
        max_new_tokens=asked.left, do_sample=False, use_cache=way.cached, pad_token_id=writer.pad
    )
    settings.eos_token_id = sorted(asked.ends)
    found: list[list[int]] = []
    for chances in torch.tensor(how.chances(asked.opening)).split(most):
        ids = torch.tensor([asked.opening] * len(chances), device=device)
        choosing = LogitsProcessorList([_Choosing(chances.to(device), start, how)])
        spread = processes.count > 1 and isinstance(module, FSDPModule)
        made = module.generate(ids, torch.ones_like(ids), settings, logits_processor=choosing, synced_gpus=spread)[
            :, start:
        ]
        found += [_until(row, asked.ends) for row in made.tolist()]
    return found


def _until(tokens: Sequence[int], ends: set[int]) -> list[int]:
    """The tokens before the first that ends an answer."""
    return list(tokens[: next((i for i, token in enumerate(tokens) if token in ends), len(tokens))])
