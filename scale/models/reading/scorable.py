"""Can a model's answers be scored here? Asked of the model itself, on a few tokens, before anything is built on it."""

from typing import NamedTuple

import torch
from torch import Tensor
from transformers import PreTrainedModel

from records.errors import UserError
from scale.models.reading.scorer import Scorer

__all__ = ["check_head"]

WHOLE, CUT = 6, 4


class _Probe(NamedTuple):
    """The model's own logits of a text, ours of it, and ours of its beginning with padding behind it."""

    plain: Tensor
    ours: Tensor
    beginning: Tensor


@torch.no_grad()
def check_head(model: PreTrainedModel) -> None:
    """UserError where a model's logits are not its head on its last hidden states, or where it sees what follows."""
    kind, was = model.config.model_type, model.training
    model.eval()
    try:
        found = _probed(Scorer(model))
    except Exception as error:  # each architecture has its own way of not being one of those that are scored here
        said = str(error).strip().split("\n")[0]
        raise UserError(
            f"Answers of a {kind} can't be scored: it takes no token ids with a mask, or has no plain linear output "
            f"head ({type(error).__name__}: {said}). Choose another model."
        ) from None
    finally:
        model.train(was)
    if not bool(found.plain.isfinite().all()):
        raise UserError(f"The logits of this {kind} are NaN or infinite. The model is broken; choose another.")
    if not _close(found.plain, found.ours, model.dtype):
        raise UserError(
            f"The logits of a {kind} are more than its output head on its last hidden states{_suspects(model)}, "
            "so answers can't be scored with the head alone. Choose another model."
        )
    if not _close(found.ours[:CUT], found.beginning[:CUT], model.dtype):
        raise UserError(
            f"What a {kind} says of a token depends on what follows it, or on padding behind it: it is no model that "
            "writes from left to right, and the probability of an answer means nothing. Choose another model."
        )


def _probed(scorer: Scorer) -> _Probe:
    rows = scorer.head().weight.shape[0]
    ids = (torch.arange(1, WHOLE + 1, device=scorer.plain.device) % rows)[None]
    mask = torch.ones_like(ids)
    logits = scorer.plain(input_ids=ids, attention_mask=mask, use_cache=False).logits
    pair, shown = ids.repeat(2, 1), mask.repeat(2, 1)
    pair[1, CUT:], shown[1, CUT:] = 0, 0
    ours = scorer.head().logits(scorer.hidden(pair, shown))
    return _Probe(logits[0].float(), ours[0].float(), ours[1].float())


def _close(one: Tensor, other: Tensor, dtype: torch.dtype) -> bool:
    """Equal up to rounding, which is of the size of the largest logits."""
    if one.shape != other.shape:
        return False
    part = 1e-3 if dtype == torch.float32 else 4e-2
    return float((one - other).abs().max()) <= part * max(float(one.abs().max()), 1e-6)


def _suspects(model: PreTrainedModel) -> str:
    """What in the configuration scales or caps logits."""
    given = model.config.get_text_config().to_dict()
    named = [f"{key}={value}" for key, value in given.items() if isinstance(value, int | float) and _scales(key)]
    return f" (scaled or capped: {', '.join(named)})" if named else ""


def _scales(key: str) -> bool:
    return "softcap" in key or "soft_cap" in key or ("logit" in key and "scal" in key) or key.endswith("multiplier")
