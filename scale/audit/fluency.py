"""Fluency: how likely a classifier of texts holds answers for clean ones, which open-unlearning's utility wants.

    fluency = softmax(logits)_clean        of the first `LONGEST` tokens of an answer

The published one is madhurjindal/autonlp-Gibberish-Detector-492513457, whose class 0 is called “clean”; any sequence
classifier in a folder will do that has a class of this name.  Source: arXiv:2506.12618; its code calls the score
gibberish, though larger is better.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from records.errors import UserError

__all__ = ["CLEAN", "LONGEST", "fluency"]

CLEAN = "clean"
LONGEST = 32
"""Tokens of an answer that are read, as for TOFU there."""
_BATCH = 32


@torch.no_grad()
def fluency(folder: str | Path, texts: Sequence[str], device: torch.device | str = "cpu") -> np.ndarray:
    """Of every text the probability of the class “clean” by the classifier in a folder, (texts,).

    UserError where there is no sequence classifier, or none of its classes has that name.
    """
    classifier, tokenizer = _loaded(folder)
    names = {str(name).lower(): number for number, name in classifier.config.id2label.items()}
    if CLEAN not in names:
        classes = ", ".join(map(str, classifier.config.id2label.values()))
        raise UserError(f"audit.fluency: {folder} has the classes {classes}, and none is called {CLEAN}.")
    classifier.to(device).eval()
    found = []
    for start in range(0, len(texts), _BATCH):
        some = list(texts[start : start + _BATCH])
        read = tokenizer(some, return_tensors="pt", padding=True, truncation=True, max_length=LONGEST).to(device)
        found.append(classifier(**read).logits.double().softmax(dim=-1)[:, names[CLEAN]].cpu().numpy())
    return np.concatenate(found) if found else np.zeros(0)


def _loaded(folder: str | Path) -> tuple[Any, Any]:
    from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        if not any("SequenceClassification" in name for name in config.architectures or ()):
            raise ValueError(f"its config.json names {', '.join(config.architectures or ('no architecture',))}")
        model = AutoModelForSequenceClassification.from_pretrained(folder, config=config, local_files_only=True)
        return model, AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        told = " ".join(str(error).split())[:200]
        raise UserError(f"audit.fluency: no classifier of texts could be read from {folder}: {told}") from error
