"""Weights on which bitsandbytes and `scale.attacks.grids` must agree, and what bitsandbytes makes of them.

python tests/grid_cases.py    # in an environment with bitsandbytes: writes tests/data/bitsandbytes_values.json
"""

import json
from pathlib import Path

import torch
from torch import Tensor

VALUES = Path(__file__).parent / "data" / "bitsandbytes_values.json"


def weights(dtype: torch.dtype = torch.float32) -> Tensor:
    """Four rows of 64, by a formula: bell-shaped, one of a large outlier, one tiny, one of zeros."""
    spread = torch.special.ndtri((torch.arange(1, 193, dtype=torch.float64) * 0.6180339887498949) % 1)
    rows = torch.cat([0.02 * spread, torch.zeros(64, dtype=torch.float64)]).reshape(4, 64)
    rows[1, 7] = -0.9
    rows[2] *= 1e-3
    return rows.to(dtype)


def of_bitsandbytes(weight: Tensor, name: str) -> Tensor:
    """There and back in bitsandbytes' four bits of this name, `nf4` or `fp4`."""
    from bitsandbytes import functional

    return functional.dequantize_4bit(*functional.quantize_4bit(weight, quant_type=name))


if __name__ == "__main__":
    values = {name: of_bitsandbytes(weights(), name).reshape(-1).tolist() for name in ("nf4", "fp4")}
    VALUES.write_text(json.dumps(values) + "\n", encoding="utf8")
