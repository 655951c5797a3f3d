"""How a model reads on from prompts: several at once, padded on the left, with a cache; or only as it does that right.

Some recurrent models (RWKV, MiniMax) read padding like any other token, and the cached step of others (Zamba2,
Nemotron-H) is not that of the whole row. Which ways are right is tried on the shortest and the longest prompt, against
the logits of each by itself without a cache (`scale.models.reading.faster`).
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor
from torch.distributed.fsdp import FSDPModule
from transformers import GenerationConfig

from scale.data.prompts import Writer
from scale.models.answering.drafts import LEADS, least_lead
from scale.models.answering.greedy import Going, reads_on
from scale.models.answering.kept_rows import reads_kept
from scale.models.reading.faster import alike, alone, tried_once
from scale.models.reading.scorer import Scorer
from scale.runtime.processes import Processes

__all__ = ["Way", "goes_on", "left_padded", "seen_of", "way_of"]

_STEPS = 3  # tokens that are tried: the prompt's last, and two that come from the cache


class Way(NamedTuple):
    """Are prompts padded on the left to one length, and are keys, values and states of what was read kept?"""

    padded: bool = True
    cached: bool = True


_FASTER = {
    Way(): "prompts padded on the left are not read as by themselves, so those of a batch have one length.",
    Way(padded=False): "with a cache it reads on otherwise than without, so answers are generated without, slowly.",
}


def left_padded(
    openings: Sequence[Sequence[int]], pad: int, unseen: frozenset[int] = frozenset()
) -> tuple[Tensor, Tensor]:
    """Ids and mask (batch, time) of prompts, padded on the left; the mask is 0 on tokens that are unseen, too."""
    time = max(len(opening) for opening in openings)
    ids, mask = torch.full((len(openings), time), pad), torch.zeros(len(openings), time, dtype=torch.long)
    for i, opening in enumerate(openings):
        ids[i, time - len(opening) :] = torch.tensor(opening)
        mask[i, time - len(opening) :] = torch.tensor([token not in unseen for token in opening])
    return ids, mask


def seen_of(tokens: Sequence[int], unseen: frozenset[int]) -> list[int]:
    """The tokens that count, whose places count on without the others; none at all where the last is unseen."""
    return [] if tokens[-1:] and tokens[-1] in unseen else [token for token in tokens if token not in unseen]


def goes_on(scorer: torch.nn.Module, rows: Sequence[Going], processes: Processes) -> bool:
    """May these rows be read on each at its own pace, as `greedy` does? Not where processes have to keep step."""
    module: Scorer = processes.accelerator.unwrap_model(scorer)
    width = max((len(row.ids) + row.left for row in rows), default=0)
    least = min((len(row.ids) for row in rows), default=0)
    exact = least_lead(module, processes) <= LEADS[torch.float32]  # else equal logits are common, and ways differ
    if not (least and exact) or isinstance(module, FSDPModule) or not reads_kept(module.plain):
        return False
    ids = [row.ids for row in rows]
    key = ("reads on", least, max(map(len, ids)), width)
    return tried_once(scorer, processes, key, lambda module: reads_on(module, ids, width))


def way_of(scorer: torch.nn.Module, openings: Sequence[Sequence[int]], writer: Writer, processes: Processes) -> Way:
    """The fastest way that is right for these prompts; of some that are not wholly seen, that of others."""
    if not openings or any(writer.unseen.intersection(opening) for opening in openings):
        return Way()
    ends = [choose(openings, key=len) for choose in (min, max)]
    tried = ends if len(ends[0]) < len(ends[1]) else ends[:1]
    for way, said in _FASTER.items():
        ask = partial(_right, openings=tried, way=way, writer=writer)
        if tried_once(scorer, processes, (way, *map(len, tried)), ask, said):
            return way
    return Way(padded=False, cached=False)


def _right(scorer: Scorer, openings: Sequence[Sequence[int]], way: Way, writer: Writer) -> bool:
    """Are the logits of the first new tokens those of each prompt by itself, without a cache?"""
    batches = [openings] if way.padded else [[opening] for opening in openings]
    return all(_right_batch(scorer, batch, way, writer) for batch in batches)


def _right_batch(scorer: Scorer, openings: Sequence[Sequence[int]], way: Way, writer: Writer) -> bool:
    ids, mask = (part.to(scorer.plain.device) for part in left_padded(openings, writer.pad))
    time = ids.shape[1]
    settings = GenerationConfig(
        max_new_tokens=max(1, min(_STEPS, writer.max_length - time)),
        do_sample=False,
        use_cache=way.cached,
        pad_token_id=writer.pad,
        output_logits=True,
        return_dict_in_generate=True,
    )
    made = scorer.generate(ids, mask, settings)
    found = torch.stack(made.logits, dim=1)
    for opening, new, logits in zip(openings, made.sequences[:, time:-1].tolist(), found, strict=True):
        if not alike(logits, alone(scorer, [*opening, *new], last=len(logits)), scorer):
            return False
    return True
