"""Relearning, made up so that every claim on it is true: theory, and three seeds of both rooms."""

import numpy as np

from npo.ledger.recovery.language_models import DROPS, PLACE
from npo.ledger.recovery.whole import RIVAL, SAME_BETA
from records.store import Data
from synthetic.relearning import beta_label
from theory.theorems.time.intrinsic_time import curve

SEEDS = (1, 2, 3)
DROP = 8.0
LOSSES = {"GA": 1.0, "NPO": 1.02, RIVAL: 1.15, "TNPO": 1.8, "WGA": 2.2, "SatImp": 2.6}
"""Steps back, and the later the more even the drop."""
LATER = {
    **LOSSES,
    "NPO+RT": 1.5,
    "NPO, SAM 0.01": 1.2,
    "NPO, SAM 0.1": 1.4,
    "NPO, Adam": 1.0,
    "NPO, sign": 1.3,
    beta_label(0.1): 1.0,
}


def recovered_rooms() -> dict[str, Data]:
    """One unit of the theory and of each small room."""
    found = {f"{room}/relearning": _room(SAME_BETA[room]) for room in ("logistic", "transformer")}
    return found | {"theory/relearning": _theory(), DROPS: _drops()} | _ways()


def _room(same: str) -> Data:
    arrays = dict[str, np.ndarray]()
    noise = 1 + 0.001 * np.array(SEEDS)
    for name, factor in ({same: LATER[RIVAL]} | LATER).items():
        own = {"drop": DROP * np.ones(3), "spread": noise / factor}
        for column, size in (("gd", 10.0), ("adam", 20.0)):
            own |= {f"{column}_half": size * factor * noise, f"{column}_full": 5 * size * factor * noise}
        own |= {"time_half": 0.5 * DROP * noise, "time_full": DROP * noise}
        arrays |= {f"{name}.{column}": x for column, x in own.items()}
    t = np.array([10.0, 100.0, 1000.0])
    arrays |= {"steps.at": t}
    for name, drop in (("GA", t), ("NPO", curve(0.5 * t) / 0.5), ("GA+RT", t / 2), ("NPO+RT", np.log1p(t))):
        arrays |= {f"steps.{name}.unlearn_time": t[:, None] * noise, f"steps.{name}.drop": drop[:, None] * noise}
    return Data(arrays, {"seeds": list(SEEDS)})


def _theory() -> Data:
    arrays = {"step": np.array(0.05)}
    for name, asked in (("GA", 6.0), ("NPO", 22.0), ("DPO", 22.0), ("KTO", 22.0), ("DOOR", 22.0)):
        own = {"drop": 6.0, "unlearn": asked, "relearn": 6.01, "asked": asked}
        arrays |= {f"{name}.{column}": np.array(x) for column, x in own.items()}
    law = np.array([[1.0, 34.0, 1102.0]])
    arrays |= {"table.betas": np.array([0.0, 0.3, 0.5]), "table.law": law, "table.relearn": np.array([20.0])}
    arrays |= {"table.drops": np.array([20.0])}
    return Data(arrays | {"table.unlearn": 20 * law * [[1, 0.48, 0.45]]}, {"seed": 0})


def _ways() -> dict[str, Data]:
    """A language model's rung under gradient ascent and NPO."""
    found = {}
    for run, beta, asked in (("GA", 0.0, 20.0), ("NPO-0.5", 0.5, 22000.0)):
        one = {"lost": 20.0, "gained": 20.0, "relearn": 20.1, "asked": asked, "unlearn": 1.01 * asked}
        plain = {"plain_relearn": 3.0, "plain_unlearn": 1.6 * asked / 20, "plain_asked": 1.5 * asked / 20}
        together = {"answers": 8, "alone": 0.8 if beta else 0.01, "exact": 0.01, "back": 0.01}
        values = {"rung": "head", "beta": beta, "step": 0.05, "singles": [one | plain], "set": together}
        found[f"{PLACE}tofu-mini/head/{run}"] = Data({}, values)
    return found


def _drops() -> Data:
    """Ways to one drop on tofu-mini, and the steps that half of the way back takes."""
    later = {"SimNPO+RT": 3.0, "NPO+RT, β = 0.1": 2.0, "WGA": 1.5, "NPO, SAM": 1.6, "NPO, sign": 1.7}
    entries = {}
    for way, factor in ({"GA": 1.0, "NPO, β = 0.1": 1.05} | later).items():
        for seed in SEEDS:
            columns = {f"{by}_{part}": (4 + 0.01 * seed) * factor for by in ("adam", "gd") for part in ("half", "most")}
            entries[f"{way}/{seed}"] = {"way": way, "seed": seed, "there": True, **columns}
    return Data({}, {"made": {"nats": 60}, "entries": entries})
