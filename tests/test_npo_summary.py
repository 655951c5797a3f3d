"""The ledger on the terminal fits a screen and hides no failure; its findings follow the entries."""

import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from npo.ledger import CLAIMS
from npo.ledger.findings import LAW, MODELS, counts, findings, rooms_of
from npo.ledger.judging.claim import FAILS, HOLDS, NOT_TESTABLE, ROOMS
from npo.ledger.told import tell

PAGES = {"Every claim with its numbers": Path("out/reproduce/claims.md"), "Report": Path("out/reproduce/report.html")}


def _entry(claim: Any, verdict: str = HOLDS, effect: float | None = 0.5, reason: str = "") -> dict[str, object]:
    known = {"id": claim.id, "room": claim.room, "short": claim.short, "statement": claim.statement}
    return known | {"verdict": verdict, "effect": effect, "reason": reason}


def _told(entries: list[dict[str, object]], width: int = 80, **how: Any) -> str:
    stream = io.StringIO()
    tell(Console(file=stream, width=width, **how), entries, PAGES)
    return stream.getvalue()


@st.composite
def ledgers(draw: st.DrawFn) -> list[dict[str, object]]:
    """Some of the claims, each with any verdict and number."""
    claims = draw(st.lists(st.sampled_from(CLAIMS), unique=True))
    verdicts = st.sampled_from([HOLDS, HOLDS, FAILS, NOT_TESTABLE])
    numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False)
    return [_entry(claim, draw(verdicts), draw(numbers)) for claim in claims]


@given(ledgers())
@settings(max_examples=60, deadline=None)
def test_the_summary_fits_a_screen_adds_up_and_names_each_failure(entries: list[dict[str, object]]) -> None:
    lines = _told(entries).splitlines()
    assert all(sentence.endswith(".") for sentence in findings(entries))
    assert len(lines) <= 22
    assert max(map(cell_len, lines)) <= 80
    if not entries:
        return
    rows = {
        label: line
        for label in ROOMS.values()
        for line in lines[2 : 2 + len(rooms_of(entries))]
        if line.startswith(label)
    }
    numbers = [list(map(int, line.removeprefix(label).split())) for label, line in rows.items()]
    assert [sum(column) for column in zip(*numbers, strict=True)] == list(counts(entries).values())
    assert sum(counts(entries).values()) == len(entries)
    fails = [e for e in entries if e["verdict"] == FAILS]
    text = "\n".join(lines)
    if len(fails) <= 20:
        assert all(str(e["short"]) in text or str(e["id"]) in text for e in fails)
    else:
        assert sum(str(e["id"]) in text for e in fails) == len(fails) or "and more" in text


def test_eight_failures_are_told_in_words() -> None:
    others = [c for c in CLAIMS if c.id not in LAW]
    failing = others[3 :: len(others) // 8][:8]
    entries = [_entry(c, FAILS if c in failing else HOLDS, 0.0123456) for c in CLAIMS]
    lines = _told(entries).splitlines()
    fails = [str(e["short"]) for e in entries if e["verdict"] == FAILS]
    assert len(fails) == 8
    assert all(any(short in line and "0.0123" in line for line in lines) for short in fails)
    assert lines[2 + len(ROOMS)] == "What fails, with its number:"


@pytest.mark.parametrize("width", [20, 40, 79, 200])
def test_any_width_shows_the_pages_unbroken(width: int) -> None:
    lines = _told([_entry(c) for c in CLAIMS], width).splitlines()
    assert [line for line in lines if "out/" in line] == [f"{words}: {page}" for words, page in PAGES.items()]


def test_no_colour_where_none_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [_entry(c, FAILS) for c in CLAIMS[:3]]
    assert "\x1b" not in _told(entries)
    assert "\x1b[31m" in _told(entries, force_terminal=True, color_system="standard")
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[3" not in _told(entries, force_terminal=True, color_system="standard")


def test_a_ledger_of_nothing_says_so() -> None:
    assert _told([]) == "The ledger: no claim rests on what was run.\n"


def test_each_claim_has_a_short_form_of_its_own() -> None:
    assert all(0 < len(c.short) <= 48 and c.room in ROOMS for c in CLAIMS)
    assert len({(c.room, c.short) for c in CLAIMS}) == len(CLAIMS)


def test_the_findings_speak_of_claims_that_exist() -> None:
    ids = {c.id for c in CLAIMS}
    of_models = {f"{room}-{x}" for room in MODELS for x in ("ga-collapses", "npo-rt-keeps", "npo-rt-unlearns")}
    assert ids > set(LAW) | of_models
    assert {c.room for c in CLAIMS if c.id in LAW} == {"theory", "logistic", "transformer", "smollm2"}


def _findings(**changes: dict[str, object]) -> list[str]:
    entries = [_entry(c) for c in CLAIMS]
    return findings([e | changes.get(str(e["id"]).replace("-", "_"), {}) for e in entries])


def test_the_findings_follow_the_data() -> None:
    law, fails, models = _findings()
    assert "0.5 (theory), 0.5 (logistic model), 0.5 (small transformer) and 0.5 (SmolLM2-135M)" in law
    assert fails == f"None of the {len(CLAIMS)} claims that could be tested fails."
    assert "language model 50% of its utility, NPO+RT 50%, at a forget quality of 0.5 where 0.05 is asked" in models

    broken = {"verdict": FAILS, "effect": 7.25}
    law, fails, _ = _findings(intrinsic_time_transformer=broken, smollm2_law={"verdict": NOT_TESTABLE, "effect": None})
    assert "0.5 (theory) and 0.5 (logistic model)" in law
    assert "not where it is 7.2 (small transformer)" in law
    assert fails.startswith(
        f"1 of the {len(CLAIMS) - 1} claims that could be tested fails (small transformer: “one sequence"
    )

    unknown = {"verdict": NOT_TESTABLE, "effect": None, "reason": "Too few questions."}
    _, _, models = _findings(llm_ga_collapses=unknown, smollm2_npo_rt_keeps={"effect": 0.96})
    assert models.startswith("Methods can't be compared on this run's language model (Too few questions); gradient")
    assert "SmolLM2-135M 50% of its utility, NPO+RT 96%" in models


def test_findings_of_nothing_are_said_too() -> None:
    everything = findings([_entry(c, NOT_TESTABLE, None, "not run: it") for c in CLAIMS])
    for law, fails, models in (everything, findings([])):
        assert "was not tested here" in law
        assert fails == "No claim could be tested here."
        assert models.endswith(".")
