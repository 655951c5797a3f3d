"""The whole family followed and classified: what the main job keeps of the atlas and draws."""

import numpy as np

from theory.atlas.family import FAMILY
from theory.atlas.table import atlas_arrays, of_member

__all__ = ["TAU", "whole_atlas"]

TAU = np.geomspace(1e-2, 1e10, 181)


def whole_atlas(settings: object) -> dict[str, np.ndarray]:
    """`theory.atlas.table.atlas_arrays` of every member, for τ from 0.01 to 10¹⁰; nothing can be set."""
    del settings
    return atlas_arrays((of_member(one) for one in FAMILY.values()), TAU)
