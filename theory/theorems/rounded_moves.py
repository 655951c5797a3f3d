"""Moves of many weights on grids whose blocks scale with their largest weight: what is kept, against the law."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from theory.theorems.demonstrations import TheoryPreset
from theory.theorems.rounding.walk import BLOCK, ROUNDINGS, Rounding

__all__ = ["SIZES", "kept_of_moves", "rounded_moves"]

SIZES = np.geomspace(0.02, 2, 9)
WEIGHTS = {True: 8_000, False: 1_000}  # blocks of the main job's weights where there are many steps, and else


def rounded_moves(preset: TheoryPreset) -> dict[str, np.ndarray]:
    """Normal weights moved at random, on every grid: `sizes` in mean cells, and by grid what `kept_of_moves` gives."""
    generator = torch.Generator().manual_seed(preset.seed)
    weights = torch.randn(BLOCK * WEIGHTS[preset.steps > 100_000], generator=generator, dtype=torch.float64)
    found: dict[str, np.ndarray] = {"sizes": SIZES}
    for name, grid in ROUNDINGS.items():
        kept = kept_of_moves(weights, SIZES, grid, preset.seed + 1)
        found |= {f"{name}.{column}": kept[:, i] for i, column in enumerate(("kept", "variance", "again", "length"))}
    return found


def kept_of_moves(
    weights: Float[Tensor, " weights"], sizes: Float[np.ndarray, " sizes"], grid: Rounding, seed: int = 0
) -> Float[np.ndarray, "sizes 4"]:
    """Weights moved at random, by sizes in mean cells: what is kept on average of moves, against the law.

    Columns: mean projection of Q(w + δ) − Q(w) on δ; its variance over the law's Σ Δ²φ(1 − φ); the projection where
    the weights were rounded before they moved; the length of the rounded move over that of the move.
    """
    gap, again = grid.spacing(weights), grid.rounded(weights)
    direction = torch.randn(weights.shape, generator=torch.Generator().manual_seed(seed), dtype=weights.dtype)
    found = []
    for size in sizes:
        move = float(size) * gap.mean() * direction
        moved = grid.rounded(weights + move) - again
        part = (move.abs() / gap) % 1
        law = (gap**2 * part * (1 - part)).sum()
        born = grid.rounded(again + move) - again
        square = move @ move
        found.append(
            [
                moved @ move / square,
                (moved - move).square().sum() / law,
                born @ move / square,
                moved.norm() / square.sqrt(),
            ]
        )
    return np.array(found, dtype=np.float64)
