"""The figures on getting back what was forgotten."""

from figures import recovery_llm, recovery_resistance, recovery_times
from npo.report.plate import Plate

__all__ = ["OF_RECOVERY"]

OF_RECOVERY = (
    Plate(
        "recovery_times",
        "Slow one way only",
        "(a) One answer of a small network: how many times as long its unlearning took as its relearning by NLL, both "
        "in intrinsic time, under every loss whose law is a formula; the bar is the law F(u)/u, marks are descent. The "
        "way back takes u whatever unlearned (diamonds). Losses end at their own drops. (b) One token of ten classes "
        "in plain time: NLL goes back as gradient ascent went there, whatever loss came between; NPO's time is about "
        "half of the intrinsic one (dotted) in the end, where one other token has all the mass. (c) After equal steps "
        "of one size: gradient ascent has gone far, so that relearning takes long; NPO has not, so that it is short.",
        ("theory/relearning",),
        recovery_times.draw,
        optional=("logistic/relearning", "transformer/relearning"),
    ),
    Plate(
        "recovery_resistance",
        "Who resists relearning at an equal drop",
        "Each row has unlearned the same answers to the same mean drop by another loss or optimiser; then descent on "
        "their NLL, in steps of one size, brings them back. Shown are the steps until half (open) and all (filled) of "
        "the mean is back, over those after gradient ascent. In intrinsic time all are alike; what is left is where a "
        "loss has spread the drop, and what a retain term or an optimiser has done to the rest of the model.",
        ("logistic/relearning",),
        recovery_resistance.draw,
        optional=("transformer/relearning",),
    ),
    Plate(
        "recovery_llm",
        "There and back in language models",
        "(a) Single answers of a small Llama that knows TOFU rows by heart and of SmolLM2-135M, pushed down by "
        "gradient ascent or by NPO and brought back by NLL, by the output head alone or all weights: intrinsic time "
        "for each nat, there (filled) against the law, and back (open), where it is 1 whatever unlearned. (b) After "
        "one mean drop, how many steps it takes until half of it is back, over those after gradient ascent.",
        ("llm/way-back/*",),
        recovery_llm.draw,
        optional=("llm/equal-drop/*",),
    ),
)
