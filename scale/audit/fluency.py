"""Fluency: how likely a classifier of texts holds answers for clean ones, which open-unlearning's utility wants.

    fluency = softmax(logits)_clean        of the first `LONGEST` tokens of an answer

The published one is madhurjindal/autonlp-Gibberish-Detector-492513457, whose class 0 is called “clean”; any sequence
classifier in a folder will do that has a class of this name.  Source: arXiv:2506.12618; its code calls the score
gibberish, though larger is better.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from records.errors import UserError
from records.ownership import file_hash
from records.paths import user_path
from records.store import content_hash

__all__ = ["CLEAN", "LONGEST", "check_classifier", "classifier_hash", "fluency"]

CLEAN = "clean"
LONGEST = 32
"""Tokens of an answer that are read, as for TOFU there."""
_BATCH = 32


@torch.no_grad()
def fluency(folder: str | Path, texts: Sequence[str], device: torch.device | str = "cpu") -> np.ndarray:
    """Of every text the probability of the class “clean” by the classifier in a folder, (texts,).

    Texts are padded by the tokenizer's own token, else by that which ends a text. UserError where there is no sequence
    classifier, none of its classes has that name, or its tokenizer has neither token.
    """
    from transformers import AutoModelForSequenceClassification

    found = check_classifier(folder)
    try:
        classifier = AutoModelForSequenceClassification.from_pretrained(
            found.place, config=found.config, local_files_only=True
        )
    except (OSError, ValueError) as error:
        raise _unread(folder, error) from error
    classifier.to(device).eval()
    shares = []
    for start in range(0, len(texts), _BATCH):
        some = list(texts[start : start + _BATCH])
        read = found.tokenizer(some, return_tensors="pt", padding=True, truncation=True, max_length=LONGEST).to(device)
        shares.append(classifier(**read).logits.double().softmax(dim=-1)[:, found.clean].cpu().numpy())
    return np.concatenate(shares) if shares else np.zeros(0)


class _Classifier(NamedTuple):
    """A classifier whose weights are not loaded yet: where it is, and the number of its class “clean”."""

    place: Path
    config: Any
    tokenizer: Any
    clean: int


def check_classifier(folder: str | Path) -> _Classifier:
    """What a folder has beside its weights; UserError with what is wrong with it, as `fluency` has it."""
    from transformers import AutoConfig, AutoTokenizer

    place = user_path(folder, "audit.fluency")
    try:
        config = AutoConfig.from_pretrained(place, local_files_only=True)
        if not any("SequenceClassification" in name for name in config.architectures or ()):
            raise ValueError(f"its config.json names {', '.join(config.architectures or ('no architecture',))}")
        tokenizer = AutoTokenizer.from_pretrained(place, local_files_only=True)
    except (OSError, ValueError) as error:
        raise _unread(folder, error) from error
    if tokenizer.pad_token is None and tokenizer.eos_token is None:
        raise UserError(f"audit.fluency: the tokenizer in {folder} has no token to pad by, and none that ends a text.")
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    config.pad_token_id = tokenizer.pad_token_id  # what a decoder finds the last token by
    names = {str(name).lower(): number for number, name in config.id2label.items()}
    if CLEAN not in names:
        classes = ", ".join(map(str, config.id2label.values()))
        raise UserError(f"audit.fluency: {folder} has the classes {classes}, and none is called {CLEAN}.")
    return _Classifier(place, config, tokenizer, names[CLEAN])


def classifier_hash(folder: str | Path) -> str:
    """A hash of every file of a classifier's folder; its name where it is none."""
    place = user_path(folder, "audit.fluency")
    files = sorted(path for path in place.glob("*") if path.is_file())
    return content_hash([(path.name, file_hash(path)) for path in files]) if files else str(folder)


def _unread(folder: str | Path, error: Exception) -> UserError:
    told = " ".join(str(error).split())[:200]
    return UserError(f"audit.fluency: no classifier of texts could be read from {folder}: {told}")
