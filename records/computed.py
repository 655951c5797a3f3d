"""The work of a unit that saves what a function of its settings returns, for rooms that know no file."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from records.store import Data, save
from records.work import Progress

__all__ = ["computed"]


def computed(
    folder: Path,
    inputs: Mapping[str, Path],
    progress: Progress,
    *,
    compute: Callable[[Any], Mapping[str, np.ndarray]],
    settings: Any,
    values: Mapping[str, Any],
) -> None:
    """Save the arrays that `compute` makes of the settings, and these values."""
    del inputs, progress
    save(folder, Data(compute(settings), values))
