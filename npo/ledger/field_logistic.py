"""Sentences of other papers that the logistic model can decide: where descent-ascent ends."""

import numpy as np

from npo.ledger.claim import Claim, Judgement, Results
from npo.ledger.logistic import as_in_the_paper, runs_by_seed
from npo.ledger.statistics import decided

__all__ = ["CLAIMS"]


def _away(results: Results, method: str) -> tuple[list[float], str]:
    """log of ‖θ − θ_retr‖ at the end over the start, seed by seed, and the same of the path's nearest point."""
    runs = runs_by_seed(results)
    paths = [a[f"{method}.parameter_distance"] for a in runs.values()]
    nearest = np.mean([path.min() / path[0] for path in paths])
    kl = np.mean([a[f"{method}.forget_distance"][-1] / a[f"{method}.forget_distance"][0] for a in runs.values()])
    kept = np.mean([a[f"{method}.retain_distance"][-1] / a[f"{method}.retain_distance"][0] for a in runs.values()])
    reason = f"nearest on the way {nearest:.2f} times the start's; KL to the retrained at the end, over the start's: "
    return [float(np.log(path[-1] / path[0])) for path in paths], f"{reason}forget {kl:.2g}, retain {kept:.2g}"


def descent_ascent_ends_farther(results: Results) -> Judgement:
    """Does GA+RT end farther from θ_retr than it began?"""
    found, reason = _away(results, "GA+RT")
    return decided(found, list(runs_by_seed(results)), reason)


def npo_with_retain_ends_nearer(results: Results) -> Judgement:
    """Does NPO+RT end nearer to θ_retr than it began?"""
    found, reason = _away(results, "NPO+RT")
    return decided([-x for x in found], list(runs_by_seed(results)), reason)


CLAIMS = tuple(
    claim
    for alpha in (1.0, 0.0)
    for claim in (
        Claim(
            id=f"descent-ascent-{alpha:g}",
            short=f"α = {alpha:g}: GA+RT ends farther from π_retr",
            statement=f"At α = {alpha:g} GA+RT (descent-ascent) ends farther from π_retr than the original model.",
            source="after arXiv:2509.26427",
            measure="log of ‖θ − θ_retr‖ at the end over that of π_ref (claimed > 0)",
            units=(f"logistic/methods-{alpha:g}-*",),
            figure="logistic_methods",
            judge=as_in_the_paper(alpha)(descent_ascent_ends_farther),
        ),
        Claim(
            id=f"npo-rt-nearer-{alpha:g}",
            short=f"α = {alpha:g}: NPO+RT ends nearer to π_retr",
            statement=f"At α = {alpha:g} NPO+RT ends nearer to the retrained model than the original was.",
            source="this project, after arXiv:2509.26427",
            measure="log of ‖θ − θ_retr‖ of π_ref over that at the end (> 0)",
            units=(f"logistic/methods-{alpha:g}-*",),
            figure="logistic_methods",
            judge=as_in_the_paper(alpha)(npo_with_retain_ends_nearer),
        ),
    )
)
