"""How the ledger is told: on the terminal, and as a Markdown table."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from npo.ledger.claim import Entry
from records.plain import plain

__all__ = ["ledger", "ledger_markdown"]


def ledger(entries: Sequence[Entry]) -> Table:
    """The claims with verdict, effect and interval; what the effect is a number of stands in report and claims.json."""
    table = Table("claim", "verdict", "effect", "95 % interval", title="The ledger", title_justify="left")
    colours = {"holds": "green", "fails": "red"}
    for e in entries:
        verdict, interval = str(e["verdict"]), e["interval"]
        table.add_row(
            Text(f"{e['statement']}"),
            Text(verdict, style=colours.get(verdict, "yellow")),
            _number(e["effect"]),
            " … ".join(map(_number, interval)) if isinstance(interval, list) else "",
        )
    return table


def ledger_markdown(entries: Sequence[Entry]) -> str:
    """The ledger as a Markdown table."""
    lines = ["| claim | verdict | effect | what the effect is |", "|---|---|---|---|"]
    for e in entries:
        interval = e["interval"]
        spread = f" ({' … '.join(map(_number, interval))})" if isinstance(interval, list) else ""
        reason = f"; {e['reason']}" if e["reason"] else ""
        cells = (e["statement"], f"**{e['verdict']}**", _number(e["effect"]) + spread, f"{e['measure']}{reason}")
        lines.append("| " + " | ".join(plain(str(cell)).replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _number(x: object) -> str:
    return f"{x:.4g}" if isinstance(x, float) else ""
