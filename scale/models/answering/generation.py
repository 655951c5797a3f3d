"""Answers in a model's own words, and are they mostly repetition?"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch.distributed.fsdp import FSDPModule
from transformers import GenerationConfig

from scale.data.prompts import Writer
from scale.data.words import by_unicode_words, unicode_words
from scale.models.answering.drafts import least_lead
from scale.models.answering.faster import Way, goes_on, left_padded, seen_of, way_of
from scale.models.answering.greedy import TOGETHER, Going, read_all_on
from scale.models.reading.scorer import Scorer
from scale.runtime.processes import Processes

__all__ = ["Generation", "answers", "answers_after", "degenerate"]

REPEATED = 0.5
"""An answer is degenerate if it is empty or more than this share of its 3-grams have occurred before in it: of tokens,
or of Unicode words where a byte-level tokenizer may have three tokens to a letter, two of which hardly ever change."""
_TOKENS, _KEPT = 4096, 64 * 2**20
"""Tokens of the rows that are on their way at once, and bytes that may be kept of them where that allows for more."""
_HARMLESS = {
    *("bos_token_id", "decoder_start_token_id", "eos_token_id", "pad_token_id", "max_length", "max_new_tokens"),
    *("do_sample", "temperature", "top_k", "top_p", "min_p", "typical_p", "use_cache"),
    *("output_attentions", "output_hidden_states", "transformers_version", "_from_model_config"),
}
"""A model's own settings that change no greedy answer but its end."""


@dataclass(frozen=True)
class Generation:
    """How answers are made: greedily or drawn, up to a length that counts the prompt (TOFU) or not.

    Greedily means the likeliest token each time, drawn one of the 50 likeliest by its probability. Nothing else is
    done: a model's own generation settings (penalties, beams, temperatures, tokens to suppress) do not count. An answer
    ends at the format's end token or the tokenizer's; a model's own list of end tokens does not count either.

    With `inherits` a model's own settings do count where nothing is said here, and its end tokens alone. `tidied` takes
    spaces before punctuation out of the words, as transformers 4 does by its `clean_up_tokenization_spaces`.
    """

    max_length: int = 200
    prompt_counts: bool = True
    sample: bool = False
    seed: int = 0
    inherits: bool = False
    tidied: bool = False


class Answer(NamedTuple):
    """A generated answer: its text, is it degenerate, and its tokens without the end token."""

    text: str
    degenerate: bool
    ids: tuple[int, ...] = ()


def degenerate(ids: Sequence[int], text: str) -> bool:
    """Is an answer of these tokens (end token left out), which say this text, empty or mostly repetition?

    >>> degenerate([], ""), degenerate([5, 6, 7] * 4, "It is. " * 4), degenerate(range(12), "He was born in Oldham.")
    (True, True, False)
    """
    if not ids:
        return True
    parts: Sequence[object] = unicode_words(text) if by_unicode_words(text) else ids
    grams = [tuple(parts[i : i + 3]) for i in range(len(parts) - 2)]
    return bool(grams) and 1 - len(set(grams)) / len(grams) > REPEATED


def answers(
    scorer: torch.nn.Module, questions: Sequence[str], writer: Writer, processes: Processes, how: Generation
) -> list[Answer]:
    """An answer to each question, in their order; every one ends at its end token or at the length allowed."""
    return answers_after(scorer, [writer.opening(question) for question in questions], writer, processes, how)


class _Begun(NamedTuple):
    """An answer on its way: after which tokens, which are known, how many more there may be (0: it has ended).

    And a text that it may come near.
    """

    opening: tuple[int, ...]
    known: tuple[int, ...]
    left: int
    hint: tuple[int, ...]

    @property
    def read(self) -> tuple[int, ...]:
        """What the model has to read before it goes on."""
        return self.opening + self.known


@torch.no_grad()
def answers_after(
    scorer: torch.nn.Module,
    openings: Sequence[Sequence[int]],
    writer: Writer,
    processes: Processes,
    how: Generation,
    drafts: Sequence[Sequence[int]] = (),
    hints: Sequence[Sequence[int]] = (),
) -> list[Answer]:
    """An answer after each of some token ids, in their order.

    `drafts` are the first tokens of each, where they are known (`scale.models.answering.drafts`): only the rest is
    generated. `hints` are texts that answers may come near (`scale.models.answering.guesses`): they change none.
    Neither counts for anything where answers are drawn.
    """
    module: Scorer = processes.accelerator.unwrap_model(scorer)
    module.eval()
    nothing: list[tuple[int, ...]] = [()] * len(openings)
    known: Sequence[Sequence[int]] = drafts if drafts and _likeliest(module, how) else nothing
    ends = _ends(module, writer, how)
    begun = [_begun(*given, writer, how, ends) for given in zip(openings, known, hints or nothing, strict=True)]
    todo = [i for i, one in enumerate(begun) if one.left]
    kept = [list(one.known) for one in begun]
    for i, row in zip(todo, _continued(scorer, [begun[i] for i in todo], writer, processes, how), strict=True):
        kept[i] += row
    texts = [
        str(writer.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)) for ids in kept
    ]
    if how.tidied:
        texts = [writer.tokenizer.clean_up_tokenization(text) for text in texts]
    return [Answer(text.strip(), degenerate(ids, text), tuple(ids)) for text, ids in zip(texts, kept, strict=True)]


def _continued(
    scorer: torch.nn.Module, begun: Sequence[_Begun], writer: Writer, processes: Processes, how: Generation
) -> list[list[int]]:
    """The new tokens of each, by all processes together."""
    module: Scorer = processes.accelerator.unwrap_model(scorer)
    rows = [Going(seen_of(one.read, writer.unseen), one.left, one.hint) for one in begun]
    if _likeliest(module, how) and goes_on(scorer, rows, processes):
        batches = [list(range(i, len(rows), processes.count)) for i in range(min(processes.count, len(rows)))]
        made = partial(_read_on, rows, module=module, writer=writer, processes=processes, how=how)
    else:
        way = way_of(scorer, [one.read for one in begun], writer, processes)
        batches = _batches(begun, way, writer, processes)
        made = partial(_generated, begun, module=module, writer=writer, processes=processes, how=how, way=way)
    found = torch.zeros((len(begun), how.max_length + 1), dtype=torch.long)
    for batch, spare in processes.share(batches):
        new = made(batch)
        if not spare:
            for i, row in zip(batch, new, strict=True):
                found[i, : len(row)] = torch.tensor(row, dtype=torch.long)
                found[i, how.max_length] = len(row)
    return [row[: int(row[-1])].tolist() for row in processes.together(found)]


def _read_on(
    rows: Sequence[Going], batch: Sequence[int], module: Scorer, writer: Writer, processes: Processes, how: Generation
) -> list[list[int]]:
    """New tokens of some of the rows, without the end token."""
    least, together = least_lead(module, processes), processes.room(TOGETHER)
    room = processes.room(max(_TOKENS, _KEPT // (8 * module.blocks * module.width)))  # a key and a value, of 4 bytes
    going = [rows[i] for i in batch]
    with processes.accelerator.autocast():
        read_all_on(module, going, _ends(module, writer, how), least=least, room=room, together=together)
    return [row.new for row in going]


def _ends(module: Scorer, writer: Writer, how: Generation) -> list[int]:
    """Tokens at which an answer ends."""
    if how.inherits:
        own = _own(module).eos_token_id
        return sorted(own) if isinstance(own, list) else [own] if own is not None else []
    return sorted({writer.end, *(x for x in [writer.tokenizer.eos_token_id] if x is not None)})


def _own(module: Scorer) -> GenerationConfig:
    """A model's own generation settings."""
    return module.plain.generation_config


def _likeliest(module: Scorer, how: Generation) -> bool:
    """Are answers the likeliest token each time: not drawn, and no model's own setting that counts says otherwise?"""
    return not how.sample and (not how.inherits or _own(module).to_diff_dict().keys() <= _HARMLESS)


def _until_end(tokens: Sequence[int], ends: Sequence[int]) -> list[int]:
    """Tokens before the first that ends an answer."""
    return list(tokens[: next((i for i, token in enumerate(tokens) if token in ends), len(tokens))])


def _begun(
    opening: Sequence[int],
    draft: Sequence[int],
    hint: Sequence[int],
    writer: Writer,
    how: Generation,
    ends: Sequence[int],
) -> _Begun:
    """What is known of an answer, and how much may still come: one token at least, none past what the model reads."""
    longest = min(how.max_length - len(opening) * how.prompt_counts, writer.max_length - len(opening))
    allowed = max(1, longest)
    known = _until_end(draft[:allowed], ends)
    ended = len(known) < min(len(draft), allowed)
    return _Begun(tuple(opening), tuple(known), 0 if ended else allowed - len(known), tuple(hint))


def _batches(begun: Sequence[_Begun], way: Way, writer: Writer, processes: Processes) -> list[list[int]]:
    """Prompts of a batch: all that there is room for, the shortest first; of one length where padding is not skipped.

    A step costs hardly more for many rows than for a few, so batches are few, and padding, which is read once, is let.
    """
    room, batches = processes.room(_TOKENS), list[list[int]]()
    for i in sorted(range(len(begun)), key=lambda i: len(begun[i].read)):
        longest = len(begun[i].read)
        joined = [*batches[-1], i] if batches else [i]
        whole = longest + max(begun[j].left for j in joined)
        fits = len(joined) * whole <= room and whole <= writer.max_length
        if batches and fits and (way.padded or longest == len(begun[joined[0]].read)):
            batches[-1] = joined
        else:
            batches.append([i])
    return batches


def _generated(
    every: Sequence[_Begun],
    batch: Sequence[int],
    module: Scorer,
    writer: Writer,
    processes: Processes,
    how: Generation,
    way: Way,
) -> list[list[int]]:
    """New tokens of one batch, without the end token, by the library's generation."""
    begun = [every[i] for i in batch]
    device = processes.accelerator.device
    ids, mask = left_padded([one.read for one in begun], writer.pad, writer.unseen)
    ends = _ends(module, writer, how)
    settings = deepcopy(_own(module)) if how.inherits else GenerationConfig()
    settings.update(
        max_new_tokens=max(one.left for one in begun),
        do_sample=how.sample,
        use_cache=way.cached,
        pad_token_id=writer.pad,
        eos_token_id=ends or None,
    )
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), processes.accelerator.autocast():
        torch.manual_seed(how.seed)
        new = module.generate(
            ids.to(device),
            mask.to(device),
            settings,
            synced_gpus=processes.count > 1 and isinstance(module, FSDPModule),
        )[:, ids.shape[1] :]
    return [_until_end(row[: one.left], ends) for row, one in zip(new.tolist(), begun, strict=True)]
