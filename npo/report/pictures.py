"""The pictures of README and docs, `figures/*.png`, drawn anew from finished runs and from the kept results.

    make figures
    python -m npo.report.pictures out/reproduce out/logistic out/transformer

where the folders are of `npo reproduce`, of `npo reproduce --only logistic --full` and of `npo synthetic transformer`;
of a unit that several have, the last one's is taken. A picture whose units are in none of them stays as it is.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from figures.canvas import picture
from npo.ledger.judging.kept import KEPT_DATA, recorded
from npo.program.ending import ends_in_words
from npo.report.gallery import GALLERY, RUNS
from npo.runs.run import saved
from records.store import Data, load

__all__ = ["draw_pictures"]

OF_RUNS = (
    "atlas",
    "every_loss_one_law",
    "one_curve",
    "recovery_part",
    "logistic_methods",
    "logistic_law",
    "transformer_time",
    "transformer_optimisers",
    "transformer_answers",
    "recovery_times",
    "recovery_resistance",
    "rounding_phase",
    "rounding_bits",
)
OF_LADDER = {
    "llm_ladder": "smollm2_ladder",
    "llm_beta_law": "llm_beta_law",
    "tofu_forget_sets": "tofu_forget_sets",
    "tofu_evolution": "tofu_evolution",
    "tofu_metrics": "tofu_metrics",
    "tofu_retain_weight": "tofu_retain_weight",
    "audited_smollm2": "audited_smollm2",
    "battery_smollm2": "battery_smollm2",
    "attacked_smollm2": "attacked_smollm2",
    "metaevaluation": "metaevaluation",
    "recovery_llm": "recovery_llm",
}  # picture -> plate, of kept results by unit
OF_KEPT = {
    "llm_quality_utility": ("llm_quality_utility", "fictional-tiny"),
    "smollm2_kl": ("llm_kl", "tofu-smollm2-mini"),
    "smollm2_metrics": ("llm_metrics", "tofu-smollm2-mini"),
}  # picture -> plate and kept runs


def draw_pictures(folders: Sequence[Path], place: Path) -> list[str]:
    """Draw into `place` every picture whose results are there; their names."""
    results, drawn = recorded() | _results(folders), []
    plates = {plate.name: plate for plate in (*GALLERY, *RUNS)}
    jobs = [(name, name, results) for name in OF_RUNS]
    jobs += [(name, plate, results) for name, plate in OF_LADDER.items()]
    jobs += [(name, plate, saved(KEPT_DATA / f"{runs}.json")) for name, (plate, runs) in OF_KEPT.items()]
    for name, plate, found in jobs:
        if mine := plates[plate].its(found):
            picture(plates[plate].draw(mine), place / f"{name}.png")
            drawn.append(name)
    return drawn


def _results(folders: Sequence[Path]) -> dict[str, Data]:
    """What the units of the small rooms left in these folders."""
    units = {
        unit.parent.relative_to(folder).as_posix(): unit.parent
        for folder in folders
        for room in ("theory", "logistic", "transformer")
        for unit in sorted((folder / room).rglob("manifest.json"))
    }
    return {name: load(unit) for name, unit in units.items()}


def _main() -> None:
    names = draw_pictures([Path(word) for word in sys.argv[1:]], KEPT_DATA.parent)
    sys.stdout.write(f"drawn: {', '.join(names)}\n")


if __name__ == "__main__":
    ends_in_words(_main)
