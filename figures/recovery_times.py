"""How long unlearning takes, and how long the way back: slow one way only.

(a) One answer of a small network: T_unlearn over T_relearn of every loss, by the law (bar) and by descent (mark).
(b) One token of ten classes in plain time: NPO at several β there (marks and lines), NLL back (black).
(c) After equal steps in both rooms: the nats that relearning must win back, and as many of intrinsic time.
"""

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.canvas import LOOK, beta_look, styled
from records.store import Data
from theory.theorems.time.intrinsic_time import curve
from theory.theorems.time.loss_times import BETA

__all__ = ["draw"]

THEORY = "theory/relearning"
ROOMS = {"logistic/relearning": ("logistic model", "-"), "transformer/relearning": ("transformer", "--")}


def draw(results: Mapping[str, Data]) -> Figure:
    """Two panels from theory/relearning, and one from logistic/relearning and transformer/relearning where given."""
    rooms = {name: results[name] for name in ROOMS if name in results}
    with styled():
        figure = Figure(figsize=(15.5 if rooms else 10.5, 5.2))
        left, middle, *right = figure.subplots(1, 3 if rooms else 2)
        _ratios_panel(left, results[THEORY])
        _plain_panel(middle, results[THEORY])
        for ax in right:
            _steps_panel(ax, rooms)
    return figure


def _ratios_panel(ax: Axes, data: Data) -> None:
    arrays = data.arrays
    laws = {name.removesuffix(".asked"): x for name, x in arrays.items() if name.endswith(".asked")}
    groups: dict[str, list[str]] = {}
    for name, asked in laws.items():
        groups.setdefault(f"{float(asked / arrays[f'{name}.drop']):.3g}", []).append(name)
    rows = sorted(groups.values(), key=lambda names: float(laws[names[0]] / arrays[f"{names[0]}.drop"]))
    for y, (name, *more) in enumerate(rows):
        drop, out, home = (float(arrays[f"{name}.{column}"]) for column in ("drop", "unlearn", "relearn"))
        ax.plot([1.0, float(laws[name]) / drop], [y, y], color="#56B4E9", linewidth=5, solid_capstyle="butt", zorder=1)
        ax.plot([out / home], [y], "o", color="#0072B2", zorder=2)
        ax.plot([home / drop], [y], "D", color="black", markerfacecolor="white", markersize=5, zorder=2)
        ax.annotate(f"   {out / home:.3g}×, {drop:.2g} nats", (out / home, y), fontsize="small", va="center")
        more = [f"{len(more)} more"] if len(more) > 2 else more
        rows[y] = [", ".join([name, *more])]
    ax.set_yticks(range(len(rows)), [name for (name,) in rows])
    ax.plot([], [], color="#56B4E9", linewidth=5, label="law: F(u)/u")
    ax.plot([], [], "o", color="#0072B2", label="descent: $T_{unlearn}/T_{relearn}$")
    ax.plot([], [], "D", color="black", markerfacecolor="white", label="descent: $T_{relearn}/u$, always 1")
    ax.grid(visible=False, axis="y")
    ax.set(
        xscale="log",
        xlim=(0.7, 200 * max(float(laws[n] / arrays[f"{n}.drop"]) for n in laws)),
        ylim=(-0.7, len(rows) + 2.6),
        xlabel="intrinsic time of unlearning over that of relearning",
        title="(a) One answer: there slow, back all alike",
    )
    ax.legend(loc="upper left", fontsize="small")


def _plain_panel(ax: Axes, data: Data) -> None:
    arrays = data.arrays
    drops, betas = arrays["table.drops"], [float(b) for b in arrays["table.betas"] if b]
    looks = beta_look(betas)
    for k, beta in reversed(list(enumerate(arrays["table.betas"]))):
        if beta:
            label, look = f"NPO, β = {beta:g}, there", looks[float(beta)]
        else:
            label, look = "GA, there", LOOK["GA"]
        ax.plot(drops, arrays["table.unlearn"][:, k], color=look["color"], marker=look["marker"], label=label)
        law = arrays["table.law"][:, k] * drops
        ax.plot(drops, law, color=look["color"], linestyle=":", linewidth=1)
    ax.plot(drops, arrays["table.relearn"], color="black", linestyle="--", marker="x", label="NLL, back, after any")
    ax.plot([], [], color="0.4", linestyle=":", label="dotted: intrinsic time F(u)")
    ax.set(
        xscale="log",
        yscale="log",
        xlabel="drop u, nats",
        ylabel="plain time Σ η",
        title="(b) Ten classes, plain time: about half the ratio",
    )
    ax.set_xticks(drops, [f"{u:g}" for u in drops])
    ax.minorticks_off()
    ax.legend(loc="upper left", fontsize="small")


def _steps_panel(ax: Axes, rooms: Mapping[str, Data]) -> None:
    for unit, data in rooms.items():
        name, dash = ROOMS[unit]
        at, arrays = data.arrays["steps.at"], data.arrays
        for method in ("GA", "GA+RT", "NPO", "NPO+RT"):
            look = LOOK[method]
            filled = "white" if method.endswith("RT") else look["color"]
            style = {"color": look["color"], "marker": look["marker"], "markerfacecolor": filled}
            ax.plot(
                at, arrays[f"steps.{method}.drop"].mean(axis=-1), linestyle=dash, label=f"{method}, {name}", **style
            )
        law = curve(BETA * arrays["steps.NPO.unlearn_time"].mean(axis=-1)) / BETA
        ax.plot(at, law, color="0.3", linestyle=":", linewidth=1.5)
    ax.plot([], [], color="0.3", linestyle=":", label=f"NPO's law, about log(2βT)/β, β = {BETA:g}")
    ax.set(
        xscale="log",
        yscale="log",
        xlabel="steps of unlearning, of one size",
        ylabel="intrinsic time of relearning, nats",
        title="(c) After equal steps",
    )
    ax.set_ylim(top=300 * ax.get_ylim()[1])  # room for the legend
    ax.legend(loc="upper left", fontsize="small", ncols=1)
