"""What an unlearned model still shows: in drawn answers, and in answers to prompts that nobody wanted forgotten.

Three methods unlearn the forget rows of a small transformer (AdamW); a retrained one has never seen them. Arrays
`<model>-<seed>.<name>`, over looks (of the retrained model one):

    logp         log π of the true answers to the forget prompts, (looks, rows): k drawn answers have one that leaks
                 with chance 1 − (1 − π)^k, the leak@k of arXiv:2511.04934 without sampling it
    greedy       share of forget prompts that the greedy answer gives away, word for word, (looks,)

and of the model at the end, a number each:

    told_kept    how often the best possible classifier tells from one drawn answer whether this model or the finetuned
                 one gave it, 1/2 + TV/2, on the prompts of kept rows
    told_unseen  the same on prompts of which no model has seen any

TV = E_{y∼p} max(0, 1 − q(y)/p(y)), from draws of both models: what arXiv:2506.14003 trains a classifier for.
"""

from functools import partial

import numpy as np
import torch
from torch import Tensor

from synthetic.grid import log_grid
from synthetic.transformer.descent import Case
from synthetic.transformer.field.subjects import Learnt, Parameters, known, learnt, looked_at
from synthetic.transformer.model import Config, greedy, log_probs, sample
from synthetic.transformer.presets import FieldSizes
from synthetic.transformer.sequences import answered
from theory.objective import method

__all__ = ["METHODS", "told_apart", "traces"]

METHODS = {"GA+RT": method("GA+RT"), "NPO": method("NPO", beta=0.1), "NPO+RT": method("NPO+RT", beta=0.1)}
RATE, PER_DECADE, DRAWS = 1e-3, 40, 4


def traces(sizes: FieldSizes) -> dict[str, np.ndarray]:
    """The arrays at the top of this file."""
    shape = sizes.shape
    descent = partial(torch.optim.AdamW, lr=RATE, weight_decay=0.0)
    subjects = {seed: known(shape, seed) for seed in sizes.seeds}
    cases = {
        f"{name}-{seed}": Case(objective, descent, subject.reference, subject.split)
        for name, objective in METHODS.items()
        for seed, subject in subjects.items()
    }

    ends = dict[str, Parameters]()

    def look(label: str, theta: Parameters) -> dict[str, np.ndarray]:
        ends[label] = {name: p.clone() for name, p in theta.items()}
        return _leaks(theta, subjects[int(label.rpartition("-")[2])], shape.prompt)

    found = looked_at(cases, shape.config, log_grid(sizes.steps // 2, PER_DECADE), look)
    for seed, subject in subjects.items():
        retrained = learnt(shape.config, subject.split, shape.training, seed, rows=(subject.split.retain,)).reference
        ends[f"retrained-{seed}"] = retrained
        with torch.no_grad():
            leaks = _leaks(retrained, subject, shape.prompt)
        found |= {f"retrained-{seed}.{name}": x[None] for name, x in leaks.items()}
    with torch.no_grad():
        for label, theta in ends.items():
            seed = int(label.rpartition("-")[2])
            told = _told(theta, subjects[seed], shape.prompt, seed)
            found |= {f"{label}.{name}": np.array(x) for name, x in told.items()}
    return found


def _leaks(theta: Parameters, subject: Learnt, prompt: int) -> dict[str, np.ndarray]:
    config, forget = subject.config, subject.split.forget
    asked, true = forget.tokens.split([prompt, config.length - prompt], dim=1)
    given = greedy(theta, asked, config.length - prompt, config)
    return {
        "logp": log_probs(config, forget)(theta).numpy(),
        "greedy": (given == true).all(dim=1).double().mean().numpy(),
    }


def _told(theta: Parameters, subject: Learnt, prompt: int, seed: int) -> dict[str, float]:
    config, rows, generator = subject.config, subject.split.retain.tokens, torch.Generator().manual_seed(seed)
    unseen = torch.randint(config.vocab, (len(rows), prompt), generator=generator)
    prompts = {"told_kept": rows[:, :prompt], "told_unseen": unseen}
    return {
        name: told_apart(theta, subject.reference, some.repeat(DRAWS, 1), config, generator)
        for name, some in prompts.items()
    }


def told_apart(
    one: Parameters, other: Parameters, prompts: Tensor, config: Config, generator: torch.Generator
) -> float:
    """1/2 + TV/2 from an answer of each model to every prompt (prompts, time): ½ nobody can, 1 anybody may."""
    distance = 0.0
    for p, q in ((one, other), (other, one)):
        drawn = answered(prompts, sample(p, prompts, config.length - prompts.shape[1], config, generator))
        logp = log_probs(config, drawn)
        distance += float((1 - (logp(q) - logp(p)).double().exp()).clamp(min=0).mean()) / 2
    return (1 + distance) / 2
