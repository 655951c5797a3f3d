"""What `npo forget` says of a β that is to be found: by what, and what is missing."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from records.errors import UserError

if TYPE_CHECKING:
    from scale.recipes.method import Method
    from scale.stages.beta.units import BetaUnits

__all__ = ["misplaced", "need_to_know", "wanted_drop_of"]


class AsksForBeta(Protocol):
    """What the command line says of it."""

    @property
    def beta(self) -> float | Literal["auto"] | None:
        """As it was typed."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that were typed, with their values."""

    @property
    def base(self) -> str | None:
        """The model before finetuning."""

    @property
    def held_out(self) -> Path | None:
        """The file of rows that nobody learnt."""

    @property
    def wanted_drop(self) -> float | None:
        """Nats an answer."""

    @property
    def only_beta(self) -> bool:
        """Is nothing to be unlearned?"""


def misplaced(asked: AsksForBeta) -> list[str]:
    """What is said of how β is to be found, where it is not to be; in words."""
    options = {"--base": asked.base, "--held-out": asked.held_out, "--wanted-drop": asked.wanted_drop}
    given = [name for name, value in options.items() if value is not None]
    given += ["--only-beta"] if asked.only_beta else []
    by_key = any(word.partition("=")[0].startswith("unlearn.beta") for word in asked.keys)
    if not given or asked.beta == "auto" or by_key:
        return []
    return [f"{', '.join(given)}: for --beta auto alone. Say --beta auto, or leave it out."]


def wanted_drop_of(asked: AsksForBeta) -> dict[str, Any]:
    """How far the answers should fall, as a recipe has it."""
    found = {"base": asked.base, "held_out": str(asked.held_out) if asked.held_out else None}
    return {**found, **({} if asked.wanted_drop is None else {"by": asked.wanted_drop})}


def need_to_know(betas: "BetaUnits", asked: AsksForBeta, methods: "Sequence[Method]") -> None:
    """UserError where a β is to be found and nothing tells how far the answers should fall."""
    if asked.beta == "auto" and any(method.auto for method in methods) and asked.wanted_drop is None:
        try:
            _ = betas.sources
        except UserError:
            raise UserError(
                "--beta auto can't tell how far the answers should fall: give --held-out FILE (rows of the same kind "
                "that no model was trained on), --base MODEL (before it was finetuned on these rows), --wanted-drop "
                "NATS, or rows with paraphrased_answer and perturbed_answer."
            ) from None
