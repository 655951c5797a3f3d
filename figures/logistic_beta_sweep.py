"""Figure 3 of arXiv:2404.05868: as β → 0, the trajectory of NPO tends to that of gradient ascent."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from figures.canvas import LOOK, across, beta_look, line_with_spread, styled
from records.store import Data
from synthetic.logistic.results import runs_of

__all__ = ["draw"]


def draw(results: Mapping[str, Data]) -> Figure:
    """One run a seed. Left: retain against forget distance. Middle: from where they are least. Right: ‖θ − θ_ref‖."""
    runs = runs_of(results, "figure3")
    betas = sorted(float(key[4:].removesuffix(".steps")) for key in runs[0] if key.startswith("NPO") and "steps" in key)
    looks = beta_look(betas)
    rows = [("GA", "GA", {"color": LOOK["GA"]["color"], "linewidth": 3.0})]
    rows += [
        (f"NPO-{b:g}", f"NPO, β = {b:g}", {"color": looks[b]["color"], "linestyle": "--", "linewidth": 1.6})
        for b in betas
    ]
    with styled():
        figure = Figure(figsize=(12.0, 4.2))
        (plane, steps, far) = figure.subplots(1, 3)
        for key, label, look in rows:
            _, forget = across(runs, key, "forget_distance")
            at, retain = across(runs, key, "retain_distance")
            plane.plot(forget.mean(axis=0), retain.mean(axis=0), label=label, **look)
            steps.plot(at, forget.mean(axis=0), label=label, **look)
            line_with_spread(far, *across(runs, key, "reference_distance"), label=label, **look)
        plane.set(
            xlabel=r"forget distance  E KL$(\pi_{\rm retr}\,\Vert\,\pi_\theta)$ (nats)",
            ylabel="retain distance (nats)",
            xscale="log",
            yscale="log",
            title="As β falls, NPO takes GA's path",
        )
        plane.plot(forget[:, 0].mean(), retain[:, 0].mean(), "k*", markersize=10, label=r"$\pi_{\rm ref}$", zorder=5)
        steps.set(xlabel="gradient-descent steps", ylabel="forget distance (nats)", title="The larger β, the later")
        steps.set(yscale="log", ylim=(None, 10 * steps.get_ylim()[1]))
        far.set(
            xlabel="gradient-descent steps",
            ylabel=r"$\Vert\theta-\theta_{\rm ref}\Vert$",
            title="Distance from the reference",
            xlim=(0, None),
        )
        for ax in (plane, steps, far):
            ax.legend(loc="upper right" if ax is steps else "upper left", ncols=2 if ax is steps else 1, fontsize=8)
    return figure
