"""What ci/verify_on_macos can be asked to check."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.app.settings import Flags, load_settings
from pipeline.catalog import load
from pipeline.names import parse_target

if TYPE_CHECKING:
    import argparse

TARGET = "mlx-lm/macos-arm64-mlx"


def whole_target(asked: str, parser: argparse.ArgumentParser) -> str:
    """Return what a name with or without its engine means: the environment, or what is compiled for such a Mac."""
    catalog = load(load_settings(Flags()).recipes_dir)
    known = [target for target in catalog.targets() if target.platform == "macos-arm64" and target.is_named(asked)]
    checked = [str(target) for target in known if str(target) == TARGET or target.engine in catalog.engines]
    if len(checked) != 1:
        parser.error(f"--target {asked} is no single target of macos-arm64 that is compiled, nor {TARGET}")
    if checked[0] != TARGET and not catalog.can_build(parse_target(checked[0])):
        parser.error(f"--target {asked} is compiled by no recipe")
    return checked[0]
