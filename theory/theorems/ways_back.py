"""Unlearning and relearning of one answer, run on a small network and a softmax: what figures, claims and the notebook
show of `theory.theorems.recovery.relearning` and `theory.theorems.time.one_path`.

Arrays of the unit `theory/relearning`:

    <loss>.drop, <loss>.unlearn, <loss>.relearn   of every loss with a formula: what was lost, and both intrinsic times
    <loss>.asked                                  F of what was lost
    step                                          of the descents, in nats
    table.betas, table.drops                      of NPO on ten classes (0: GA), and how far
    table.unlearn (drops, betas), table.relearn   plain times, by the integral over the one path
    table.law (drops, betas)                      F(u)/u, the ratio in intrinsic time
"""

import numpy as np

from theory.theorems.demonstrations import Arrays, TheoryPreset
from theory.theorems.recovery.relearning import npo_ratio, relearnt
from theory.theorems.specimens import side_by_side, small_network
from theory.theorems.time.drop_weights import ForgetAnswer
from theory.theorems.time.forgetting import Forgetting, forgotten, laws_of
from theory.theorems.time.known_times import closed_time
from theory.theorems.time.loss_times import kernels_with_a_law, of_any_model
from theory.theorems.time.one_path import FreeLogits, plain_times, ten_classes

__all__ = ["BETAS", "every_loss", "ways_back"]

BETAS = np.array([0.0, 0.1, 0.3, 0.5])
DROPS = np.array([2.5, 5.0, 10.0, 20.0])


def every_loss(seed: int, *, step: float, until: float, longest: float) -> Forgetting:
    """One answer of a small network under every loss whose time has a formula."""
    one = small_network(seed=seed)
    answer = ForgetAnswer(float(one.log_probs(one.parameters)))
    every = of_any_model(kernels_with_a_law(answer))
    kernels = {name: kernel for name, kernel in every.items() if closed_time(kernel, answer)}
    runs = side_by_side(one, len(kernels))
    return Forgetting(runs.log_probs, runs.parameters, kernels, step=step, until=until, longest=longest)


def ways_back(preset: TheoryPreset) -> Arrays:
    """The arrays at the top of this file."""
    step = 5 * preset.law_step
    return _there_and_back(every_loss(preset.seed, step=step, until=6.0, longest=300.0)) | _table()


def _there_and_back(instance: Forgetting) -> Arrays:
    laws = laws_of(instance)
    there = forgotten(instance, laws)
    back = relearnt(instance, there)
    found: Arrays = {"step": np.array(instance.step)}
    for run, (name, (law,)) in enumerate(zip(instance.kernels, laws, strict=True)):
        out, home = there.of(run), back.of(run)
        lost, gained = out.drop[-1, 0], home.drop[-1, 0]
        times = {"unlearn": out.clock[-1, 0], "relearn": home.clock[-1, 0] * lost / gained, "asked": law.time(lost)}
        found |= {f"{name}.{key}": np.asarray(x) for key, x in {"drop": lost, **times}.items()}
    return found


def _table() -> Arrays:
    start = ten_classes()
    found = [plain_times(FreeLogits(start.logits, start.label, BETAS, until)) for until in DROPS]
    return {
        "table.betas": BETAS,
        "table.drops": DROPS,
        "table.unlearn": np.stack([one.unlearn for one in found]),
        "table.relearn": np.array([one.relearn for one in found]),
        "table.law": npo_ratio(DROPS[:, None] * BETAS),
    }
