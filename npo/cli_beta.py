"""The verb `npo beta`; like all of `npo.cli` it imports nothing heavy before it runs."""

from npo.cli_words import DataFolder, Device, KeyValues, Out, Precision, RecipeName, Seed
from npo.running.waiting import waiting
from npo.stopping import goes_on

__all__ = ["beta"]


@goes_on
def beta(
    recipe: RecipeName,
    settings: KeyValues = None,
    out: Out = None,
    data: DataFolder = None,
    device: Device = None,
    dtype: Precision = None,
    seed: Seed = None,
) -> None:
    """Find the β that NPO needs: how far the answers to forget should fall, and how far the recipe's schedule goes.

    The models that it needs are made where they are missing. `beta: auto` in a recipe takes what it finds.

    npo beta fictional-tiny

    npo beta tofu-mini unlearn.wanted_drop=held-out
    """
    with waiting("loading the libraries"):
        from npo.running.recipes import RecipeChoices
        from npo.verbs.beta import beta as find

    find(RecipeChoices(recipe, settings or [], data=data, device=device, dtype=dtype, seed=seed), out)
