"""What the units of the transformer left, found by their names: by β, by optimiser, by seed."""

from collections.abc import Mapping

from records.store import Data

__all__ = ["by_beta", "by_optimiser", "label_of", "of_all_methods"]

Results = Mapping[str, Data]


def by_beta(results: Results, kind: str) -> dict[float, Data]:
    """β (0: GA) -> what the units of a kind ("single", "set", "descent") left, in order of β."""
    found = [data for name, data in results.items() if name.startswith(f"transformer/{kind}-")]
    return {float(data.values["beta"]): data for data in sorted(found, key=lambda data: float(data.values["beta"]))}


def label_of(beta: float) -> str:
    """What a reader calls the runs of a β."""
    return f"β = {beta:g}" if beta else "GA"


def by_optimiser(results: Results) -> dict[str, dict[bool, Data]]:
    """Optimiser -> its units without and with a retain term, in the order of the results."""
    found: dict[str, dict[bool, Data]] = {}
    for name, data in results.items():
        if name.startswith("transformer/optimizer-"):
            found.setdefault(data.values["optimizer"], {})[bool(data.values["retain"])] = data
    return found


def of_all_methods(results: Results, optimizer: str) -> list[Data]:
    """The units of all methods under an optimiser, one a seed."""
    return [d for name, d in sorted(results.items()) if name.startswith(f"transformer/methods-{optimizer}-")]
