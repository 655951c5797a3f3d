"""A page as a reader's browser would take it: its elements, and what is wrong with it."""

import re
from html.parser import HTMLParser
from pathlib import Path

VOID = {"meta", "br", "img", "input", "link", "hr"}


class Page(HTMLParser):
    """All start tags with their attributes, and whether each is closed where it must be."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = path.read_text(encoding="utf8")
        self.feed(self.text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def values(self, name: str) -> list[str]:
        """What an attribute is wherever it stands."""
        return [str(attrs[name]) for _, attrs in self.tags if name in attrs]

    def of_class(self, name: str) -> int:
        """How many elements have this class."""
        return sum(name in (attrs.get("class") or "").split() for _, attrs in self.tags)


def sound(path: Path) -> Page:
    """The page, after looking whether every element is closed, every id is one, every link leads somewhere inside."""
    page = Page(path)
    assert page.open == []
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    assert {link.removeprefix("#") for link in page.values("href")} <= set(ids)
    assert all(src.startswith("data:") for src in page.values("src"))
    assert all(url.startswith("data:") for url in re.findall(r"url\(\s*['\"]?([^)]{5})", page.text))
    assert "@import" not in page.text
    assert "<script src" not in page.text
    assert [tag for tag, _ in page.tags if tag in ("link", "iframe", "object", "embed")] == []
    for tag, attrs in page.tags:
        assert attrs.get("role") != "img" or attrs.get("aria-label"), (tag, attrs)
    return page
