"""The page of the main job: findings, pictures with panels for a phone, a ledger that can be filtered."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from html_page import Page, sound
from matplotlib.figure import Figure

from npo.ledger import CLAIMS
from npo.ledger.judging.claim import FAILS, HOLDS, NOT_TESTABLE, ROOMS
from npo.report.gallery import Plate
from npo.report.page import write_report
from npo.report.panels import Cut, Picture, cuts, picture

FACTS = {
    "steps": ["theory"],
    "quick": False,
    "command": "npo reproduce",
    "environment": {"python": "3"},
    "seconds": 1.0,
}
VERDICTS = (HOLDS, FAILS, NOT_TESTABLE)


def _figure(rows: int, columns: int, **how: Any) -> Figure:
    figure = Figure(figsize=(3 * columns, 2.5 * rows), layout="constrained")
    for k, axes in enumerate(figure.subplots(rows, columns, squeeze=False, **how).ravel()):
        axes.plot([0, 1], [0, k], label="GA")
        axes.plot([0, 1], [k, 0], label="NPO, β = 1")
        axes.set(title=f"panel {k}", xlabel="steps", ylabel="drop")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def _plate(name: str, figure: Figure) -> Plate:
    return Plate(name, f"Title of {name}", "What is seen.", ("*",), lambda results: figure)


def _picture(name: str, figure: Figure, folder: Path) -> Picture:
    return picture(_plate(name, figure), figure, folder)


def _entries() -> list[dict[str, object]]:
    rest = {"interval": [0.4, 0.6], "seeds": [1, 2], "command": "npo reproduce", "seconds": 1.5, "reason": "why"}
    return [
        {"id": c.id, "room": c.room, "short": c.short, "statement": c.statement, "source": c.source}
        | {"measure": c.measure, "figure": "one_curve", "verdict": VERDICTS[i % 3], "effect": 0.5}
        | rest
        for i, c in enumerate(CLAIMS)
    ]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Page:
    """A page of two made-up pictures and of all claims."""
    folder = tmp_path_factory.mktemp("page")
    drawn = [_picture("one_curve", _figure(1, 2), folder), _picture("theorem_2", _figure(2, 2, sharex=True), folder)]
    write_report(folder, _entries(), drawn, {}, FACTS)
    return sound(folder / "report.html")


def test_findings_come_first_then_pictures_then_the_ledger(page: Page) -> None:
    order = [page.text.index(f'id="{part}"') for part in ("findings", "pictures", "one_curve", "ledger", "facts")]
    assert order == sorted(order)
    findings = page.text.partition('<ol class="findings">')[2].partition("</ol>")[0]
    assert findings.count("<li>") == 3


def test_a_picture_is_in_the_page_once_and_its_panels_are_cut_from_it(page: Page) -> None:
    assert page.text.count("data:image/svg+xml;base64,") == 2
    assert page.of_class("whole") == 2
    assert page.of_class("panel") == 2 + 4
    assert page.of_class("key") == 2 + 2
    assert "max-width: 699.98px" in page.text
    labels = page.values("aria-label")
    assert "Title of theorem_2: panel 3" in labels
    assert "panel 4 of 4" in labels
    assert labels.count("NPO, β = 1") == 2


@pytest.mark.parametrize("how", [{}, {"sharex": True, "sharey": "row"}])
def test_panels_cover_their_axes_and_nothing_of_their_neighbours(tmp_path: Path, how: dict[str, Any]) -> None:
    figure = _figure(2, 3, **how)
    found = _picture("six", figure, tmp_path)
    assert [cut.label for cut in found.panels] == [f"panel {k}" for k in range(6)]
    for k, (cut, axes) in enumerate(zip(found.panels, figure.axes, strict=True)):
        box = axes.get_position()
        assert cut.left < box.x0
        assert cut.left + cut.width > box.x1 - 1e-9
        assert cut.top < 1 - box.y1
        assert cut.top + cut.height > 1 - box.y0
        for other in figure.axes[:k] + figure.axes[k + 1 :]:
            middle = other.get_position().get_points().mean(axis=0)
            inside = cut.left < middle[0] < cut.left + cut.width and cut.top < 1 - middle[1] < cut.top + cut.height
            assert not inside
        assert all(label.get_visible() for label in (*axes.get_xticklabels(), *axes.get_yticklabels()))
        assert axes.xaxis.get_tick_params()["labelbottom"]
        assert axes.yaxis.get_tick_params()["labelleft"]
    left, right = found.keys
    assert left.left + left.width < right.left + right.width
    assert min(cut.top for cut in found.keys) > max(cut.top for cut in found.panels)


def test_a_panel_without_a_heading_is_told_by_its_column(tmp_path: Path) -> None:
    figure = _figure(2, 2)
    for axes in figure.axes[2:]:
        axes.set_title("")
    found = _picture("columns", figure, tmp_path)
    assert [cut.column for cut in found.panels] == ["", "", "panel 0", "panel 1"]
    assert [cut.label for cut in found.panels] == ["panel 0", "panel 1", "drop", "drop"]
    write_report(tmp_path, [], [found], {}, FACTS)
    page = sound(tmp_path / "report.html")
    assert "3 of 4: panel 0" in page.text
    assert "Title of columns, panel 1: drop" in page.values("aria-label")


def test_a_heading_is_not_cut_off(tmp_path: Path) -> None:
    figure = _figure(2, 3)
    figure.axes[1].set_ylabel("a taller label, so that\nthe boxes of a row differ")
    figure.axes[4].set_title("a long heading that reaches over the next panel")
    found = _picture("long", figure, tmp_path)
    for cut, axes in zip(found.panels, figure.axes, strict=True):
        assert cut.top <= 1 - axes.title.get_window_extent().y1 / figure.bbox.height + 1e-6, cut.label


def test_what_is_not_drawn_has_no_panel() -> None:
    figure = _figure(1, 2)
    figure.axes[0].set_visible(False)
    figure.draw_without_rendering()
    figure.set_dpi(72)
    panels, keys = cuts(figure)
    assert [panel.label for panel in panels] == ["panel 1"]
    assert [key.label for key in keys] == ["GA", "NPO, β = 1"]


def test_a_cut_shows_its_part_and_no_more() -> None:
    from npo.report.template import _cut

    whole = Picture(_plate("x", Figure()), Path("x.svg"), (8.0, 4.0), (), ())
    style = dict(part.split(": ") for part in _cut(Cut(0.5, 0.0, 0.25, 0.5, ""), whole).split("; "))
    assert style["aspect-ratio"] == "2.000 / 2.000"
    assert style["background-size"] == "400.00% 200.00%"
    assert style["background-position"] == "66.67% 0.00%"  # left edge: ⅔ of the 3 widths that overhang is 2 widths in
    full = dict(part.split(": ") for part in _cut(Cut(0.0, 0.0, 1.0, 1.0, ""), whole).split("; "))
    assert full["background-position"] == "0.00% 0.00%"


def test_every_claim_can_be_filtered_by_verdict_and_room(page: Page) -> None:
    rows = [attrs for tag, attrs in page.tags if tag == "tr" and "data-verdict" in attrs]
    assert [row["id"] for row in rows] == [f"claim-{c.id}" for c in CLAIMS]
    radios = {attrs["id"]: attrs for tag, attrs in page.tags if tag == "input"}
    assert all(radio["type"] == "radio" for radio in radios.values())
    words = {"verdict": [v.split()[0] for v in VERDICTS], "room": list(ROOMS)}
    assert set(radios) == {f"{kind}-{value}" for kind, values in words.items() for value in ("all", *values)}
    assert [name for name, radio in radios.items() if "checked" in radio] == ["verdict-all", "room-all"]
    for kind, values in words.items():
        assert {row[f"data-{kind}"] for row in rows} == set(values)
        for value in values:
            rule = f'#ledger:has(#{kind}-{value}:checked) tr[data-{kind}]:not([data-{kind}="{value}"])'
            assert rule in page.text
    hidden = page.text.partition("#ledger:has(")[2].partition("</style>")[0]
    assert hidden.rstrip().endswith("{ display: none; }")
    assert hidden.count(":has(") == len(VERDICTS) + len(ROOMS) - 1


def test_the_findings_of_the_page_change_with_its_data(tmp_path: Path) -> None:
    entries = _entries()
    write_report(tmp_path, [e | {"verdict": HOLDS, "effect": 0.25} for e in entries], [], {}, FACTS)
    before = (tmp_path / "report.html").read_text(encoding="utf8")
    assert f"None of the {len(entries)} claims that could be tested fails." in before
    assert "0.25 (theory)" in before
    worse = [e | {"verdict": FAILS if e["id"] == "logistic-pareto" else HOLDS, "effect": 0.75} for e in entries]
    write_report(tmp_path, worse, [], {}, FACTS)
    after = (tmp_path / "report.html").read_text(encoding="utf8")
    assert (
        f"1 of the {len(entries)} claims that could be tested fails (logistic model: “NPO+RT has the best Pareto front"
        in after
    )
    assert "0.75 (theory)" in after
    sound(tmp_path / "report.html")


def test_a_page_of_nothing_is_a_page(tmp_path: Path) -> None:
    write_report(tmp_path, [], [], {}, FACTS)
    assert "No claim could be tested here." in sound(tmp_path / "report.html").text


def test_no_text_steers_the_page(tmp_path: Path) -> None:
    nasty = [e | {"reason": "<script>alert(1)</script>\x1b[2J", "statement": '"><img src=x>'} for e in _entries()]
    write_report(tmp_path, nasty, [], {}, FACTS)
    page = sound(tmp_path / "report.html")
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "img"})
    assert "\x1b" not in page.text


def test_drawing_leaves_the_numbers_of_a_figure_alone(tmp_path: Path) -> None:
    figure = _figure(1, 2, sharey=True)
    before = [np.asarray(line.get_xydata()) for axes in figure.axes for line in axes.lines]
    _picture("two", figure, tmp_path)
    after = [np.asarray(line.get_xydata()) for axes in figure.axes for line in axes.lines]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    assert {path.name for path in tmp_path.iterdir()} == {"two.svg", "two.png"}
