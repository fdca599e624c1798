"""Tells of configured channels that nothing is ever read from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.model.clean_text import without_user_info

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.session import Session


def warn_of_unused_channels(session: Session, envs_dir: Path) -> None:
    """Warn of places for channels that no environment uses, most likely a typo.

    It is no error: one file or variable may serve several projects.
    """
    if not session.settings.channels:
        return
    from pipeline.catalog.environment_channels import channels_in_use  # noqa: PLC0415 - it needs a YAML parser

    known = channels_in_use(envs_dir)
    for base in sorted(session.settings.channels.keys() - set(known)):
        session.warn(
            f"[channels] or ENGINE_PIPELINE_CHANNELS has a place for {without_user_info(base)}, which no environment "
            f"uses; they use {', '.join(map(without_user_info, known)) or 'none'}"
        )
