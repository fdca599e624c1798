"""The options that say how what is switched to is checked, and how that is shown."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, cast

import click

from pipeline.app.host_environment import host_platform
from pipeline.cli.options import PATH
from pipeline.cli.tables import size_text
from pipeline.deploy.health import HealthWish
from pipeline.errors import UsageError
from pipeline.model.counts import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pipeline.model.manifest import ProofLevel

    Callback = Callable[..., None]

_MODEL_HELP = (
    "For --health run: a GGUF file, or the folder of an MLX model.  [default: a tiny one made on the spot, where the "
    "engine can]"
)


def health_options(function: Callback) -> Callback:
    """Add ``--health`` and ``--health-model`` to a command that takes the ``HealthWish`` they become as ``health``."""

    @functools.wraps(function)
    def command(*arguments: object, health: str, health_model: Path | None, **values: object) -> None:
        function(*arguments, health=_wish(health, health_model), **values)

    model = click.option("--health-model", type=PATH, metavar="PATH", help=_MODEL_HELP)
    level = click.option(
        "--health",
        type=click.Choice(["none", "load", "run"]),
        default="load",
        show_default=True,
        help="What must work before the switch: nothing, the programs and devices, or an answer of a model too.",
    )
    return level(model(command))


def _wish(level: str, model: Path | None) -> HealthWish:
    """Return what the options ask for.

    Raises:
        UsageError: there is a model that nothing would ask, or that does not exist.
    """
    if level != "run" and model is not None:
        raise UsageError(
            "a model is asked by --health run alone", hint="give both --health run and --health-model, or neither"
        )
    if model is not None and not model.exists():
        raise UsageError(f"there is no model {model}", hint="give a GGUF file or a model's folder with --health-model")
    return HealthWish(cast("ProofLevel", level), None if model is None else model.absolute(), host_platform())


def health_text(health: Mapping[str, object]) -> str:
    """Return a line about a check, from the fields of a ``HealthOutcome``; empty where none was wanted or needed."""
    if not health["passed"]:
        return "" if health["level"] == "none" else f"not checked: {health['reason']}"
    devices = ", ".join(cast("list[str]", health["devices"]))
    answered = f", {counted(int(str(health['generated_tokens'])), 'token')}" if health["generated_tokens"] else ""
    if isinstance(ready := health.get("ready_seconds"), int | float):
        answered += f", ready in {ready:.1f} s"
    if isinstance(resident := health.get("resident_bytes"), int):
        answered += f", {size_text(resident)} resident"
    return f"works here ({health['level']}): {health['version']}; {devices}{answered}; {health['seconds']:.1f} s"
