"""The kept results of language models in `figures/data/`, by unit name, as claims and figures read them.

    tofu-smollm2-mini.json        smollm2/<label>-s<seed>
    tofu-smollm2-mini-law.json    smollm2/law/<rung>-<run>
    tofu-smollm2-mini-losses.json smollm2/losses
    tofu-scratch-<set>.json       tofu/<set>/<label>-s<seed>
    tofu-answers-<set>.json       tofu/answers-<set>/<label>-s<seed>, with answers after every epoch
    tofu-weights-<set>.json       tofu/weights-<set>/<label>-s<seed>, NPO+RT at several retain weights
    beta-sweep-<setting>.json     llm/beta/<setting>/<label>-s<seed>
    family-<optimizer>.json       llm/family/<optimizer>/<label>-s<seed>, the whole family of losses
    rounding-<setting>.json       llm/rounding/<setting>/<label>, by `npo.runs.rounding`
    wanted-drop.json              llm/wanted-drop/<setting>
    relearn-part-<setting>.json   llm/relearn-part/<setting>/<label>-s<seed>, written by `npo.runs.relearn_part`
    way-back-<setting>.json       llm/way-back/<setting>/<rung>/<GA or NPO-β>, written by `npo.runs.way_back`
    equal-drop-<setting>.json     llm/equal-drop/<setting>, by `npo.runs.equal_drop`
    tofu-mini-audit.json          llm/audited/tofu-mini/{audit/<model>, attack/<model>/<attack>}
    pools-<recipe>.json           llm/pools/<recipe>, of models that know the forget set and that don't
    audited-tofu-smollm2-mini.json smollm2/audited
    tofu-smollm2-audit.json       smollm2/battery, written by `npo.runs.attacked`

`npo.runs.keep`, `npo.runs.attacked` and `npo law` write them. What is not there is not judged: its claims say so.
"""

from pathlib import Path

from npo.ledger.judging.claim import Claim
from npo.runs.attacked import saved_audits
from npo.runs.losses import saved_losses
from npo.runs.run import saved, saved_law
from records.json_lines import read_json
from records.store import Data

__all__ = ["KEPT_DATA", "is_kept", "recorded"]

KEPT_DATA = Path(__file__).parents[3] / "figures" / "data"
PLACES = {
    "tofu-scratch-": "tofu/{}/",
    "tofu-answers-": "tofu/answers-{}/",
    "tofu-weights-": "tofu/weights-{}/",
    "beta-sweep-": "llm/beta/{}/",
    "family-": "llm/family/{}/",
}
"""How files begin, and where their runs are."""


def recorded() -> dict[str, Data]:
    """All of them."""
    found = _runs(KEPT_DATA / "tofu-smollm2-mini.json", "smollm2/")
    ladder = saved_law(KEPT_DATA / "tofu-smollm2-mini-law.json")
    found |= {f"smollm2/{name}": data for name, data in ladder.items()}
    if (losses := KEPT_DATA / "tofu-smollm2-mini-losses.json").is_file():
        found["smollm2/losses"] = saved_losses(losses)
    if (audits := KEPT_DATA / "tofu-mini-audit.json").is_file():
        found |= {f"llm/audited/tofu-mini/{name}": data for name, data in saved_audits(audits).items()}
    if (audited := KEPT_DATA / "audited-tofu-smollm2-mini.json").is_file():
        found["smollm2/audited"] = Data({}, read_json(audited, "It is kept."))
    if (battery := KEPT_DATA / "tofu-smollm2-audit.json").is_file():
        found["smollm2/battery"] = Data({}, read_json(battery, "It is kept."))
    for begins, place in PLACES.items():
        for file in sorted(KEPT_DATA.glob(f"{begins}*.json")):
            found |= _runs(file, place.format(file.stem.removeprefix(begins)))
    for file in sorted(KEPT_DATA.glob("relearn-part-*.json")):
        relearnt = read_json(file, "It is kept with the project.")["runs"]
        place = f"llm/relearn-part/{file.stem.removeprefix('relearn-part-')}/"
        found |= {f"{place}{key.rpartition('/')[2]}": Data({}, values) for key, values in relearnt.items()}
    for file in sorted(KEPT_DATA.glob("way-back-*.json")):
        ways = read_json(file, "It is kept with the project.")["entries"]
        place = f"llm/way-back/{file.stem.removeprefix('way-back-')}/"
        found |= {f"{place}{name}": Data({}, values) for name, values in ways.items()}
    for file in sorted(KEPT_DATA.glob("equal-drop-*.json")):
        found[f"llm/equal-drop/{file.stem.removeprefix('equal-drop-')}"] = Data({}, read_json(file, "It is kept."))
    for file in sorted(KEPT_DATA.glob("rounding-*.json")):
        found |= _rounded(file)
    drops = read_json(KEPT_DATA / "wanted-drop.json", "It is kept with the project.")
    found |= {f"llm/wanted-drop/{name}": Data({}, values) for name, values in drops["settings"].items()}
    pools = {file.stem.removeprefix("pools-"): file for file in sorted(KEPT_DATA.glob("pools-*.json"))}
    return found | {f"llm/pools/{name}": Data({}, read_json(file, "It is kept.")) for name, file in pools.items()}


def _runs(file: Path, place: str) -> dict[str, Data]:
    return {f"{place}{data.values['label']}-s{data.values['seed']}": data for data in saved(file).values()}


def _rounded(file: Path) -> dict[str, Data]:
    kept = read_json(file, "It is kept with the project.")
    setting, known = file.stem.removeprefix("rounding-"), kept["known"]
    models = kept["models"].items()
    return {f"llm/rounding/{setting}/{name}": Data({}, {"known": known, "lines": lines}) for name, lines in models}


def is_kept(claim: Claim) -> bool:
    """Is it judged on these, and not on what the main job ran? Then it names a command of its own."""
    return bool(claim.command)
