"""For which GPUs a bundle has code: measured, and held against what the build asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.accelerators.architectures import missing_architectures, sorted_architectures
from pipeline.errors import ProofError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pipeline.model.binary import BinaryCard


def measured_architectures(cards: Mapping[str, BinaryCard]) -> tuple[str, ...]:
    """Return what the engine's own files have GPU code for, sorted by number.

    Args:
        cards: of the files by their paths, those of a vendor's runtime left out: what cuBLAS has code for says nothing
            of the backend that calls it.
    """
    return sorted_architectures(name for card in cards.values() for name in card.gpu_architectures)


def check_architectures(target: str, asked: Iterable[str], cards: Mapping[str, BinaryCard]) -> None:
    """Check that every library with GPU code has it for all that the build asked for.

    Args:
        target: for the message.
        asked: as a manifest has them; nothing asks for nothing.
        cards: as for ``measured_architectures``.

    Raises:
        ProofError: a library lacks one, or there is no GPU code at all.
    """
    wanted = tuple(asked)
    hint = "the compiler left it out: look at the architectures in the recipe and at what the toolkit still compiles"
    found = {path: card.gpu_architectures for path, card in cards.items() if card.gpu_architectures}
    if wanted and not found:
        raise ProofError(f"{target} has no GPU code, and was to have it for {', '.join(wanted)}", hint=hint)
    for path, has in found.items():
        if missing := missing_architectures(wanted, has):
            raise ProofError(
                f"{target}: {path} has no code for {', '.join(missing)}, which the build asked for; it has it for "
                f"{', '.join(has)}",
                hint=hint,
            )
