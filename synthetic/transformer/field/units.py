"""The units of the part `field`, one a question: `transformer/<question>`, arrays as its file says, value `seeds`."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial

import numpy as np

from records.computed import computed
from records.work import Unit
from synthetic.transformer.field.components import components
from synthetic.transformer.field.mixing import mixing
from synthetic.transformer.field.recovery import recovery
from synthetic.transformer.field.relearning import relearning
from synthetic.transformer.field.relearnt_part import relearnt_part
from synthetic.transformer.field.rounding import rounding
from synthetic.transformer.field.saturation import saturation
from synthetic.transformer.field.short_answers import short_answers
from synthetic.transformer.field.squeezing import squeezing
from synthetic.transformer.field.stages import stages
from synthetic.transformer.field.traces import traces
from synthetic.transformer.field.weights import weights
from synthetic.transformer.presets import FieldSizes

__all__ = ["QUESTIONS", "field_units"]

QUESTIONS: Mapping[str, Callable[[FieldSizes], dict[str, np.ndarray]]] = {
    "squeezing": squeezing,
    "weights": weights,
    "short-answers": short_answers,
    "stages": stages,
    "mixing": mixing,
    "saturation": saturation,
    "recovery": recovery,
    "relearnt-part": relearnt_part,
    "relearning": relearning,
    "components": components,
    "traces": traces,
    "rounding": rounding,
}


def field_units(sizes: FieldSizes) -> list[Unit]:
    """The units of this part, in order."""
    values = {"seeds": list(sizes.seeds)}
    return [
        Unit(f"transformer/{name}", asdict(sizes), partial(computed, compute=ask, settings=sizes, values=values))
        for name, ask in QUESTIONS.items()
    ]
