"""How the ledger is told: a summary that fits a screen, and all of it as a Markdown table."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from npo.ledger.findings import counts, headline, number, rooms_of
from npo.ledger.judging.claim import FAILS, HOLDS, NOT_TESTABLE, ROOMS, Entry
from records.plain import plain

__all__ = ["ledger_markdown", "tell"]

LINES, WIDTH = 22, 80
"""A screen of 24 lines, less what the verb says last and the prompt."""

COLOURS = {HOLDS: "green", FAILS: "red", NOT_TESTABLE: "yellow"}


def tell(console: Console, entries: Sequence[Entry], pages: Mapping[str, Path]) -> None:
    """Print counts by room, what fails, the headline, and the pages on which the rest is, by what they hold."""
    if not entries:
        console.print("The ledger: no claim rests on what was run.", highlight=False)
        return
    found = counts(entries)
    words = (f"{found[HOLDS]} hold", f"{found[FAILS]} fail", f"{found[NOT_TESTABLE]} can't be tested here")
    told = Text(headline(entries))
    taken = 2 + len(rooms_of(entries)) + len(textwrap.wrap(told.plain, WIDTH)) + len(pages)
    console.print(Text(f"The ledger of {len(entries)} claims: {', '.join(words)}.", style="bold"))
    console.print(Group(_by_room(entries), *_what_fails(entries, LINES - taken), told))
    for holds, page in pages.items():  # unbroken on the narrowest terminal: a path is there to be copied
        console.print(plain(f"{holds}: {page}"), markup=False, highlight=False, soft_wrap=True)


def _by_room(entries: Sequence[Entry]) -> Table:
    """A line a room with the number of its claims that have each verdict."""
    table = Table("room", box=None, pad_edge=False)
    for verdict, colour in COLOURS.items():
        table.add_column(verdict, justify="right", style=colour)
    for room in rooms_of(entries):
        mine = counts([e for e in entries if e["room"] == room])
        table.add_row(ROOMS[room], *map(str, mine.values()))
    return table


def _what_fails(entries: Sequence[Entry], lines: int) -> list[RenderableType]:
    """A heading and a line for each failing claim; their names alone where there are more than `lines` hold."""
    fails = [e for e in entries if e["verdict"] == FAILS]
    heading = Text("What fails, with its number:", style=COLOURS[FAILS])
    if not fails:
        return []
    if len(fails) < lines:
        table = Table.grid(*[""] * 3, padding=(0, 2, 0, 0))
        for e in fails:
            table.add_row(ROOMS[str(e["room"])], str(e["short"]), number(e["effect"], ".3g"))
        return [heading, table]
    names = textwrap.wrap(", ".join(str(e["id"]) for e in fails), WIDTH, break_on_hyphens=False)
    return [heading, Text("\n".join(names if len(names) < lines else [*names[: lines - 2], "and more"]))]


def ledger_markdown(entries: Sequence[Entry]) -> str:
    """The ledger as a Markdown table."""
    lines = ["| claim | verdict | effect | what the effect is |", "|---|---|---|---|"]
    for e in entries:
        interval = e["interval"]
        spread = f" ({' … '.join(map(number, interval))})" if isinstance(interval, list) else ""
        reason = f"; {e['reason']}" if e["reason"] else ""
        cells = (e["statement"], f"**{e['verdict']}**", number(e["effect"]) + spread, f"{e['measure']}{reason}")
        lines.append("| " + " | ".join(plain(str(cell)).replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"
