"""Lay out the pages of the site: what is written by hand, the notebooks, and a page for each module's docstrings.

python docs/site.py     into build/pages, with build/mkdocs.yml beside it; `make docs` builds the site from these
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import yaml
from latex2mathml.converter import convert
from nbconvert import MarkdownExporter

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
PAGES = BUILD / "pages"
PACKAGES = ("records", "theory", "synthetic", "scale", "figures", "npo")
ROOMS = (*PACKAGES, "benchmarks", "notebooks", "tests")  # a cache or a folder of results may hold a README too
WIDGET = "application/vnd.jupyter.widget-view+json"
MATH = re.compile(r"\$\$(.+?)\$\$|(?<![\\$])\$([^$\n]+?)\$", re.DOTALL)
NAMED = re.compile(r"(<mi>\w{3,}</mi>)(?=<mi>|<mfrac>)")  # log t, not logt
LINK = re.compile(r"\[((?:!\[[^\]]*\]\([^)]*\)|[^\[\]])*)\]\(((?!https?:)[^)\s]+)\)")


def lay_out() -> None:
    """Every page anew, and the site's settings with their order."""
    shutil.rmtree(PAGES, ignore_errors=True)
    written = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *(ROOT / room / "README.md" for room in ROOMS)]
    for page in written:
        _write(page, _linked(page.read_text(encoding="utf8"), page.parent))
    for notebook in sorted(ROOT.glob("notebooks/*.ipynb")):
        _notebook(notebook)
    for package in PACKAGES:
        for module in sorted((ROOT / package).rglob("*.py")):
            if module.name != "__init__.py":
                name = ".".join(module.relative_to(ROOT).with_suffix("").parts)
                _write(module, f"# `{name}`\n\n::: {name}\n")
    for path in (*ROOT.glob("figures/*.png"), ROOT / "CITATION.cff", ROOT / "docs" / "site.css"):
        _place(path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, _place(path))
    settings = yaml.safe_load((ROOT / "docs" / "mkdocs.yml").read_text(encoding="utf8"))
    text = yaml.safe_dump({**settings, "nav": order()}, sort_keys=False, allow_unicode=True)
    (BUILD / "mkdocs.yml").write_text(text, encoding="utf8")


# --- where a file of the tree stands in the site ------------------------------------------------------------------


def _place(path: Path) -> Path:
    """Its page: a README is the first page of its folder, a module or notebook has a page of its own."""
    place = PAGES / path.relative_to(ROOT)
    if path.name == "README.md":
        return place.with_name("index.md")
    return place.with_suffix(".md") if path.suffix in (".py", ".ipynb") else place


def _write(path: Path, text: str) -> None:
    place = _place(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text, encoding="utf8")


def _linked(text: str, folder: Path) -> str:
    """A page whose links lead to pages; what has none here (tests, scripts) is named without a link."""

    def link(found: re.Match[str]) -> str:
        target, _, anchor = found[2].partition("#")
        path = (folder / target).resolve() if target else folder
        if path.suffix == ".py" and path.relative_to(ROOT).parts[0] not in PACKAGES:
            return found[1]
        name = target[: len(target) - len(path.name)] + _place(path).name if target else ""
        return f"[{found[1]}]({name}{'#' + anchor if anchor else ''})"

    return LINK.sub(link, text)


# --- notebooks ----------------------------------------------------------------------------------------------------


def _notebook(path: Path) -> None:
    """A notebook as a page, its pictures beside it."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = with_mathml(cell.source)
        else:  # a slider needs a running kernel
            cell.outputs = [one for one in cell.outputs if WIDGET not in one.get("data", {})]
    text, resources = MarkdownExporter().from_notebook_node(notebook, {"output_files_dir": f"{path.stem}_files"})
    _write(path, text)
    for name, data in resources["outputs"].items():
        picture = _place(path).parent / name
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_bytes(data)


def with_mathml(text: str) -> str:
    """Formulas in LaTeX as MathML, which browsers set themselves."""

    def formula(found: re.Match[str]) -> str:
        mathml = convert(found[1], display="block") if found[1] else f"<span>{convert(found[2])}</span>"
        mathml = NAMED.sub(r'\1<mspace width="0.17em"/>', mathml)
        return "".join(f"&#{ord(c)};" if c in "*_`[]\\" else c for c in mathml)  # which Markdown would read as its own

    return MATH.sub(formula, text)


# --- the order of pages -------------------------------------------------------------------------------------------


def order() -> list[Any]:
    """The site's contents: what was found, the notebooks, then the rooms with their modules."""
    pages = [path for path in sorted(PAGES.glob("docs/*.md")) if path.name != "index.md"]
    return [
        {"Home": ["index.md", "CONTRIBUTING.md", "CHANGELOG.md"]},
        {"Documentation": ["docs/index.md", *map(_name, pages)]},
        {"Notebooks": ["notebooks/index.md", *map(_name, sorted(PAGES.glob("notebooks/[0-9]*.md")))]},
        *({room: list(_room(PAGES / room))} for room in ROOMS if room != "notebooks"),
    ]


def _name(path: Path) -> str:
    return path.relative_to(PAGES).as_posix()


def _room(folder: Path) -> Iterator[Any]:
    """A folder's pages, the first one first, then those of each folder in it."""
    yield from (_name(path) for path in sorted(folder.glob("*.md"), key=lambda path: (path.name != "index.md", path)))
    for inner in sorted(path for path in folder.iterdir() if path.is_dir()):
        if found := list(_room(inner)):
            yield {inner.name: found}


if __name__ == "__main__":
    lay_out()
