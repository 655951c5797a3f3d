"""The documentation as a site: links lead somewhere, formulas and examples are shown, nothing is fetched."""

import importlib.util
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

MISSING = [
    name for name in ("zensical", "mkdocstrings", "latex2mathml", "nbconvert") if not importlib.util.find_spec(name)
]
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(bool(MISSING), reason=f"`make docs` installs what is missing: {', '.join(MISSING)}"),
]
HERE = Path(__file__).resolve().parents[1]
PACKAGES = ("records", "theory", "synthetic", "scale", "figures", "npo")
ROOMS = (*PACKAGES, "benchmarks", "notebooks", "tests")


def test_the_site_is_built_whole_and_fetches_nothing() -> None:
    """One build for all that is asked of it: it lies in build/, where two at a time would be in each other's way."""
    site = _built()
    _every_page_notebook_and_module_is_in(site)
    _formulas_and_examples_are_shown(site)
    _nothing_is_fetched_from_elsewhere(site)
    _every_link_leads_to_a_file(site)


def _built() -> Path:
    """The site, built anew: a link or reference that leads nowhere ends the build."""
    subprocess.run([sys.executable, "docs/site.py"], cwd=HERE, check=True)
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean", "--config-file", "build/mkdocs.yml"]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return HERE / "build" / "site"


def _every_page_notebook_and_module_is_in(site: Path) -> None:
    expected = [
        *HERE.glob("docs/*.md"),
        *(HERE / room / "README.md" for room in ROOMS),
        *HERE.glob("notebooks/*.ipynb"),
    ]
    for package in PACKAGES:
        expected += [path for path in (HERE / package).rglob("*.py") if path.name != "__init__.py"]
    for path in expected:
        page = site / path.relative_to(HERE).with_suffix(".html")
        assert page.with_name("index.html" if path.name == "README.md" else page.name).is_file(), path


def _formulas_and_examples_are_shown(site: Path) -> None:
    notebook = (site / "notebooks/03_gradient_weights_and_intrinsic_time.html").read_text(encoding="utf8")
    assert notebook.count("<math") >= 20
    assert "$$" not in notebook
    assert r"\frac" not in notebook
    module = (site / "theory/losses/paper.html").read_text(encoding="utf8")
    assert "&gt;&gt;&gt;" in module
    assert "<blockquote>" not in module


def _nothing_is_fetched_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf8")
        assert not re.search(r"<(?:script|img|link|iframe)\b[^>]*(?:src|href)=\"?(?:https?:)?//", text), page


def _every_link_leads_to_a_file(site: Path) -> None:
    """Pictures, too."""
    count = 0
    for page in site.rglob("*.html"):
        if page.name == "404.html":  # whose links are from the root of a server
            continue
        for target in re.findall(r"<(?:a|img)\b[^>]*(?:src|href)=\"?([^\s\">]+)", page.read_text(encoding="utf8")):
            if not re.match(r"[a-z]+:|#|//", target):
                path = page.parent / re.split(r"[#?]", target)[0]
                assert path.exists(), f"{page.relative_to(site)}: {target}"
                count += 1
    assert count > 1000


def test_formulas_in_latex_become_mathml_that_markdown_leaves_alone() -> None:
    with_mathml = runpy.run_path(str(HERE / "docs" / "site.py"))["with_mathml"]
    text = with_mathml(r"so $a_i * b_j$ and $$\log t$$ cost 5 \$ a_b")
    assert text.startswith("so <span><math")
    assert text.endswith(r" cost 5 \$ a_b")
    assert "*" not in text
    assert 'display="block"' in text
