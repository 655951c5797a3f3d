"""Pools of models that know the forget set and models that don't: what tells them apart is worth asking of others.

    python -m npo.pools.train OUT     trains them: `pretrain`, and `member/<name>` for each, all resumable
    python -m npo.pools.read OUT      reads every model that is there as it is, relearned and in four bits
    python -m npo.pools.keep FILE OUT what figures and claims read of it

    python -m npo.pools.battery OUT   the whole battery and the attacks of a recipe on the models of a run

As arXiv:2506.12618 proposes it (faithfulness and robustness of a metric), at a scale that a laptop trains in an hour.
"""
