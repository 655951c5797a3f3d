"""What the ledger comes to, in three sentences that are made from its entries: the law, what fails, the models."""

from collections.abc import Mapping, Sequence

from npo.ledger.judging.claim import FAILS, HOLDS, NOT_TESTABLE, ROOMS, Entry
from npo.ledger.language_model.few_authors import GOOD

__all__ = ["LAW", "counts", "failing", "findings", "headline", "language_models", "number", "rooms_of"]

LAW = ("intrinsic-time-theory", "intrinsic-time-logistic", "intrinsic-time-transformer", "smollm2-law")
"""The claims of the headline: one in each room, and all with a distance from the curve as their effect."""

MODELS = {
    "llm": "this run's language model",
    "tofu": "a small Llama that learnt all of TOFU",
    "smollm2": "SmolLM2-135M",
}


def findings(entries: Sequence[Entry]) -> list[str]:
    """Three sentences: what holds of the law, what fails, what the language models say."""
    return [headline(entries), failing(entries), language_models(entries)]


def headline(entries: Sequence[Entry]) -> str:
    """The project's sentence, as far as these entries bear it out, with its numbers."""
    judged = [e for e in entries if e["id"] in LAW and e["verdict"] != NOT_TESTABLE]
    kept, left = (_listed([_distance(e) for e in judged if e["verdict"] == v]) for v in (HOLDS, FAILS))
    if not judged:
        return "Whether one example alone keeps to the curve of intrinsic time was not tested here."
    if not kept:
        return f"One example alone does not keep to the curve of intrinsic time: it is {left} from it in βu."
    sentence = (
        "One example alone unlearns along one parameter-free curve in intrinsic time, as near as the steps of the "
        f"descent allow: at most {kept} from it in βu"
    )
    return f"{sentence}; but not where it is {left} from it." if left else f"{sentence}."


def failing(entries: Sequence[Entry]) -> str:
    """How many of the testable claims fail, and which, room by room."""
    fails = [e for e in entries if e["verdict"] == FAILS]
    testable = sum(e["verdict"] != NOT_TESTABLE for e in entries)
    if not testable:
        return "No claim could be tested here."
    if not fails:
        return f"None of the {testable} claims that could be tested fails."
    by_room = [(ROOMS[room], [f"“{e['short']}”" for e in fails if e["room"] == room]) for room in rooms_of(fails)]
    which = "; ".join(f"{label}: {', '.join(mine)}" for label, mine in by_room)
    verb = "fails" if len(fails) == 1 else "fail"
    return f"{len(fails)} of the {testable} claims that could be tested {verb} ({which})."


def language_models(entries: Sequence[Entry]) -> str:
    """What is left of each language model's utility, and how well NPO+RT unlearned it."""
    by_id = {str(e["id"]): e for e in entries}
    parts = [part for room in MODELS if (part := _utility(by_id, room))]
    sentence = "; ".join(parts)
    return f"{sentence[:1].upper()}{sentence[1:]}." if sentence else "No language model was unlearned here."


def _utility(by_id: Mapping[str, Entry], room: str) -> str:
    """The clause of a room: shares of utility that are left, and forget quality; why where there is none."""
    ascent, kept, unlearned = (by_id.get(f"{room}-{x}") for x in ("ga-collapses", "npo-rt-keeps", "npo-rt-unlearns"))
    if ascent is None or kept is None:
        return ""
    if NOT_TESTABLE in (ascent["verdict"], kept["verdict"]):
        return f"methods can't be compared on {MODELS[room]} ({str(ascent['reason'] or kept['reason']).rstrip('.')})"
    left, right = (number(e["effect"], ".0%", "nothing") for e in (ascent, kept))
    shares = f"gradient ascent leaves {MODELS[room]} {left} of its utility, NPO+RT {right}"
    if unlearned is None or unlearned["verdict"] == NOT_TESTABLE:
        return shares
    return f"{shares}, at a forget quality of {number(unlearned['effect'], '.2g', 'nothing')} where {GOOD:g} is asked"


def counts(entries: Sequence[Entry]) -> dict[str, int]:
    """How many claims have each verdict, in the order in which verdicts are told."""
    return {verdict: sum(e["verdict"] == verdict for e in entries) for verdict in (HOLDS, FAILS, NOT_TESTABLE)}


def rooms_of(entries: Sequence[Entry]) -> list[str]:
    """The rooms that entries are of, in the order of the rooms."""
    return [room for room in ROOMS if any(e["room"] == room for e in entries)]


def number(x: object, form: str = ".4g", none: str = "") -> str:
    """A number as the ledger shows it; `none` where there is none, as where it was not finite."""
    return format(x, form) if isinstance(x, float) else none


def _distance(entry: Entry) -> str:
    return f"{number(entry['effect'], '.2g', 'endlessly far')} ({ROOMS[str(entry['room'])]})"


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))
