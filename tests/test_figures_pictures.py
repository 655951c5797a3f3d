"""The pictures of README and docs are drawn anew from what is kept and from finished runs."""

from pathlib import Path

import matplotlib.image
import pytest

from npo.report import pictures
from npo.report.gallery import GALLERY, RUNS
from records.store import Data


def test_every_committed_picture_has_a_plate(root: Path) -> None:
    known = {*pictures.OF_RUNS, *pictures.OF_LADDER, *pictures.OF_KEPT}
    assert known == {path.stem for path in (root / "figures").glob("*.png")}
    drawn = {*pictures.OF_RUNS, *pictures.OF_LADDER.values(), *(plate for plate, _ in pictures.OF_KEPT.values())}
    assert drawn <= {plate.name for plate in (*GALLERY, *RUNS)}


def test_kept_results_are_enough_for_those_of_language_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    monkeypatch.setattr(pictures, "picture", lambda figure, file: drawn.append(file.name))
    assert pictures.draw_pictures([], tmp_path) == [*pictures.OF_LADDER, *pictures.OF_KEPT]
    assert len(drawn) == len(pictures.OF_LADDER) + len(pictures.OF_KEPT)


def test_a_run_s_own_results_are_drawn_and_the_last_folder_s_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for run in ("first", "second"):
        (tmp_path / run / "logistic/methods-1-0").mkdir(parents=True)
        (tmp_path / run / "logistic/methods-1-0/manifest.json").write_text("{}")
    (tmp_path / "first/logistic/methods-1-1").mkdir()
    (tmp_path / "first/logistic/methods-1-1/manifest.json").write_text("{}")
    monkeypatch.setattr(pictures, "load", lambda folder: Data({}, {"from": folder.parts[-3]}))
    found = pictures._results([tmp_path / "first", tmp_path / "second", tmp_path / "none"])
    came = {name: data.values["from"] for name, data in found.items()}
    assert came == {"logistic/methods-1-0": "second", "logistic/methods-1-1": "first"}


def test_a_committed_picture_is_one(root: Path) -> None:
    for name in (*pictures.OF_RUNS, *pictures.OF_LADDER, *pictures.OF_KEPT):
        height, width, _ = matplotlib.image.imread(root / "figures" / f"{name}.png").shape
        assert min(height, width) > 400
