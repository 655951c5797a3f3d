"""What is done to an unlearned model before it is examined again: relearning, fewer bits, pruning, mixing back.

    settings.py             what a recipe says under `attacks:`; an entry is one attack, its levels those of a curve
    matrices.py             the weights that attacks on weights change, and those that they leave
    relearn.py, quantise.py, prune.py, mix.py    generators that change a model in place from level to level
    grids.py                the formats of few bits
    robustness.py           R and Q, as the field scores what comes back

Each yields a level once the model is there; `quantise`, `prune` and `mix` leave it as it was at the end. What a model
knows at each level is told by `scale.audit`; in a recipe both come together in `scale.stages.audits.attacked`.
"""
