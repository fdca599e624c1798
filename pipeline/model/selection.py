"""Which variant of an engine a host gets, and why it gets none of the others."""

from __future__ import annotations

from pipeline.model.frozen import Frozen


class Variant(Frozen):
    """The variant that was chosen.

    Attributes:
        target: ``<engine>/<platform>-<accel>``.
        version: as upstream calls it.
        accel: of the target.
        family: of the accelerator, its name without a version.
        is_gpu: whether it computes on something else than the processor.
    """

    target: str
    version: str
    accel: str
    family: str
    is_gpu: bool


class Rejection(Frozen):
    """A variant that was not chosen.

    Attributes:
        target: ``<engine>/<platform>-<accel>``.
        version: as upstream calls it.
        fits: whether it would run here; another one is preferred then.
        reasons: all of them.
    """

    target: str
    version: str
    fits: bool
    reasons: tuple[str, ...]


class Selection(Frozen):
    """What a host gets.

    Attributes:
        chosen: None when nothing fits.
        why: one line about it.
        rejected: every other variant, in its newest version and in each newer one that does not fit.
        gpus: that the host has, for people.
        warnings: what must not be overlooked: a GPU that will not be used.
    """

    chosen: Variant | None
    why: str
    rejected: tuple[Rejection, ...]
    gpus: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
