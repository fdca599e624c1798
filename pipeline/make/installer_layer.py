"""Makes the layer that installs and describes an environment without this program, below ``share/engine-pipeline/``."""

from __future__ import annotations

import shlex
from importlib.resources import files
from typing import TYPE_CHECKING

from pipeline.make.environment_card import environment_card, packages_of
from pipeline.make.outputs import Outputs, Results, made
from pipeline.make.packing import pack_layer
from pipeline.model.document_text import document_text
from pipeline.model.explicit_text import explicit_text
from pipeline.model.pylock_text import pylock_body

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pipeline.model.environment import EnvironmentCard
    from pipeline.model.environment_actions import MakeInstallerLayer
    from pipeline.model.statements import Part
    from pipeline.ports import Services

SHARE_DIR = "share/engine-pipeline"
"""Folder within a bundle, and within an environment."""
PROGRAMS = (
    ("pipeline.make.offline", "install-offline.sh"),
    ("pipeline.make.offline", "finish.py"),
    ("pipeline.proofs", "tiny_model.py"),
)
"""Package and name of each file that travels as it is; a change of one raises the step's format (``plan.keys``)."""


def make_installer_layer(
    action: MakeInstallerLayer, step: str, services: Services, results: Results, work: Path
) -> Outputs:
    """Write what other installers, and people, need of the environment.

    The step's facts have ``environment``, its card.

    Raises:
        ProofError: the layers of wheels contradict each other.
    """
    card = environment_card(action, results)
    names = (*((action.channel_layer,) if action.channel_layer else ()), *action.wheel_layers)
    layer_dir = work / "layer"
    share = layer_dir / SHARE_DIR
    share.mkdir(parents=True)
    for name, text in _documents(action, card, packages_of(results[name] for name in names)):
        (share / name).write_bytes(text)
    for package, name in PROGRAMS:
        (share / name).write_bytes(files(package).joinpath(name).read_bytes())
    (share / "install-offline.sh").chmod(0o755)
    packed = pack_layer(layer_dir, action, step, services=services, work=work)
    return made(
        trees={"layer": packed.tree},
        blobs={"layer": packed.archive},
        facts={"name": action.layer_name, "role": action.role, "environment": card.model_dump(mode="json")},
        summary=packed.summary,
    )


def _documents(
    action: MakeInstallerLayer, card: EnvironmentCard, packages: Sequence[Part]
) -> Iterator[tuple[str, bytes]]:
    """Yield file names and texts."""
    described = {"engine": action.engine, "version": action.version, "environment": card.model_dump(mode="json")}
    yield "environment.json", document_text({"schema_version": 1, **described})
    limit = "" if card.prefix_limit is None else str(card.prefix_limit)
    yield "environment.sh", f"PYTHON_VERSION={shlex.quote(card.python)}\nPREFIX_LIMIT={shlex.quote(limit)}\n".encode()
    yield "pylock.toml", _pylock(action).encode()
    yield "licenses.txt", _licenses(packages).encode()
    if action.channel_layer is not None:
        yield "conda-explicit.txt", _explicit(action, card).encode()


def _explicit(action: MakeInstallerLayer, card: EnvironmentCard) -> str:
    """Return the list that install-offline.sh makes one with urls of, since conda knows none with relative paths."""
    environment = action.environment
    comments = (
        f"conda packages of {environment.name} with their sha256; paths are within the bundle.",
        "install-offline.sh compares them, and gives conda their file:// urls.",
    )
    packages = ((f"{card.channel}/{p.subdir}/{p.filename}", p.sha256) for p in environment.conda)
    return explicit_text(environment.platform, comments, packages)


def _pylock(action: MakeInstallerLayer) -> str:
    environment = action.environment
    head = f"# Wheels of {environment.name} for {environment.platform}; they are unpacked in the bundle.\n"
    return head + pylock_body(environment.wheels, python=environment.python, platform=environment.platform)


def _licenses(packages: Sequence[Part]) -> str:
    """Return a table of everything in the bundle with its license; the texts lie with the packages."""
    rows = [(part.name, part.version or "", part.license or "not stated", part.purl or "") for part in packages]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    return "".join(
        "  ".join((*(text.ljust(width) for text, width in zip(row[:3], widths, strict=True)), row[3])) + "\n"
        for row in sorted(rows)
    )
