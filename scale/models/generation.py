"""Answers in a model's own words, and are they mostly repetition?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch.distributed.fsdp import FSDPModule
from transformers import GenerationConfig

from scale.data.prompts import Writer
from scale.data.words import by_unicode_words, unicode_words
from scale.models.faster_generation import Way, left_padded, way_of
from scale.models.scorer import Scorer
from scale.runtime.processes import Processes, by_length

__all__ = ["Generation", "answers", "answers_after", "degenerate"]

REPEATED = 0.5
"""An answer is degenerate if it is empty or more than this share of its 3-grams have occurred before in it: of tokens,
or of Unicode words where a byte-level tokenizer may have three tokens to a letter, two of which hardly ever change."""
_TOKENS = 4096


@dataclass(frozen=True)
class Generation:
    """How answers are made: greedily or drawn, up to a length that counts the prompt (TOFU) or not.

    Greedily means the likeliest token each time, drawn one of the 50 likeliest by its probability. Nothing else is
    done: a model's own generation settings (penalties, beams, temperatures, tokens to suppress) do not count. An answer
    ends at the format's end token or the tokenizer's; a model's own list of end tokens does not count either.
    """

    max_length: int = 200
    prompt_counts: bool = True
    sample: bool = False
    seed: int = 0


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


@torch.no_grad()
def answers_after(
    scorer: torch.nn.Module,
    openings: Sequence[Sequence[int]],
    writer: Writer,
    processes: Processes,
    how: Generation,
) -> list[Answer]:
    """An answer after each of some token ids, in their order."""
    module: Scorer = processes.accelerator.unwrap_model(scorer)
    module.eval()
    way = way_of(scorer, openings, writer, processes)
    found = torch.zeros((len(openings), how.max_length + 1), dtype=torch.long)
    for batch, spare in processes.share(_batches([len(opening) for opening in openings], way, processes, how)):
        new = _generated([openings[i] for i in batch], module, writer, processes, how, way)
        if not spare:
            for i, row in zip(batch, new, strict=True):
                found[i, : len(row)] = torch.tensor(row, dtype=torch.long)
                found[i, how.max_length] = len(row)
    kept = [row[: int(row[-1])].tolist() for row in processes.together(found)]
    texts = [
        str(writer.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)) for ids in kept
    ]
    return [Answer(text.strip(), degenerate(ids, text), tuple(ids)) for text, ids in zip(texts, kept, strict=True)]


def _batches(lengths: Sequence[int], way: Way, processes: Processes, how: Generation) -> list[list[int]]:
    """Prompts of a batch: of similar length, or, where a model can't skip padding, of the same."""
    room = processes.room(_TOKENS)
    if way.padded:
        return by_length([length + how.max_length for length in lengths], room)
    found = []
    for length in sorted(set(lengths)):
        same = [i for i, other in enumerate(lengths) if other == length]
        most = max(1, room // (length + how.max_length))
        found += [same[i : i + most] for i in range(0, len(same), most)]
    return found


def _generated(
    openings: Sequence[Sequence[int]], module: Scorer, writer: Writer, processes: Processes, how: Generation, way: Way
) -> list[list[int]]:
    """New tokens of one batch, without the end token."""
    device = processes.accelerator.device
    ids, mask = left_padded(openings, writer.pad)
    time = ids.shape[1]
    allowed = [max(1, how.max_length - len(opening) * how.prompt_counts) for opening in openings]
    ends = sorted({writer.end, *(x for x in [writer.tokenizer.eos_token_id] if x is not None)})
    settings = GenerationConfig(
        max_new_tokens=min(max(allowed), writer.max_length - time) if writer.max_length > time else 1,
        do_sample=how.sample,
        use_cache=way.cached,
        pad_token_id=writer.pad,
        eos_token_id=ends,
    )
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), processes.accelerator.autocast():
        torch.manual_seed(how.seed)
        new = module.generate(
            ids.to(device),
            mask.to(device),
            settings,
            synced_gpus=processes.count > 1 and isinstance(module, FSDPModule),
        )[:, time:]
    rows = []
    for row, most in zip(new.tolist(), allowed, strict=True):
        row = row[:most]
        stop = next((i for i, token in enumerate(row) if token in ends), len(row))
        rows.append(row[:stop])
    return rows
