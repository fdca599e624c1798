"""What one script offers, as plain values for its template."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.composing import compose, program_fault
from pipeline.errors import IntegrityError
from pipeline.model.installation import Generation
from pipeline.model.manifest_document import write_document
from pipeline.names import version_key
from pipeline.publish.portable_pattern import portable_pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pipeline.model.installers import GzipArchive
    from pipeline.model.manifest import Artifact, Layer
    from pipeline.publish.installer_layers import ReadyLayer

# What a script takes without being told, the first that fits: what every machine of a platform has.
_PREFERRED = ("metal", "mlx", "mlx-openai", "cpu", "avx2")
_TIME, _NUMBER, _SOURCE = "@time@", 987_654_321, "@source@"
_PLAIN_PLACE = re.compile(r"[A-Za-z0-9._+/-]+")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where bundles come from, as ``generation.json`` says it.

    Attributes:
        repository: its id; empty for a dist folder.
        development: whether it is signed with development keys, or not at all.
    """

    repository: str
    development: bool


@dataclass(frozen=True, slots=True)
class Offer:
    """One bundle in a script; texts are empty where there is nothing to say.

    Attributes:
        number: of it in its script, from 1.
        target: ``<engine>/<platform>-<accel>``.
        engine: of the target.
        platform: of the target.
        accel: of the target.
        version: as upstream calls it.
        sha256: of the bundle.
        tree_sha256: of all its layers together.
        layers: digests of their trees, in order.
        glibc: lowest version.
        macos: lowest version.
        windows: lowest version.
        cpu: features that the processor must have.
        driver: lowest version.
        programs: name and path.
        health_program: path of what says its version.
        health_args: its arguments.
        health_pattern: for a line of it, as Python has it.
        portable_pattern: the same for ``grep -E``; empty also where it cannot be said there.
        record: ``generation.json`` in four parts, between which come time, number and source.
        rehearsal: whether there is no engine in it.
    """

    number: int
    target: str
    engine: str
    platform: str
    accel: str
    version: str
    sha256: str
    tree_sha256: str
    layers: tuple[str, ...]
    glibc: str
    macos: str
    windows: str
    cpu: tuple[str, ...]
    driver: str
    programs: tuple[tuple[str, str], ...]
    health_program: str
    health_args: tuple[str, ...]
    health_pattern: str
    portable_pattern: str
    record: tuple[str, ...]
    rehearsal: bool = False


@dataclass(frozen=True, slots=True)
class OfferedLayer:
    """One layer in a script.

    Attributes:
        tree_sha256: its identity.
        name: of it.
        installed_size: sum of its files, in bytes.
        sha256: of its ``.tar.zst``.
        size: of its ``.tar.zst``.
        place: url of that, relative or https; empty where it is nothing that a script can take as it is.
        gzip: its other archive.
        document: the list of its files, as it lies beside them.
    """

    tree_sha256: str
    name: str
    installed_size: int
    sha256: str
    size: int
    place: str
    gzip: GzipArchive
    document: str


def preferred_first(artifacts: Iterable[Artifact]) -> list[Artifact]:
    """Return artifacts in the order in which a script tries them: newest first within a target."""
    newest_first = sorted(artifacts, key=lambda a: (version_key(a.version), a.version), reverse=True)
    return sorted(newest_first, key=lambda a: (a.engine, a.platform, _rank(a.accel), a.accel))


def offered_layer(ready: ReadyLayer) -> OfferedLayer:
    """Return a layer as a script has it."""
    layer = ready.layer
    return OfferedLayer(
        tree_sha256=layer.tree_sha256,
        name=layer.name,
        installed_size=layer.installed_size,
        sha256=layer.sha256,
        size=layer.size,
        place=layer.url if _PLAIN_PLACE.fullmatch(layer.url) else "",
        gzip=ready.gzip,
        document=write_document(ready.tree).decode(),
    )


def offer(number: int, artifact: Artifact, layers: Mapping[str, ReadyLayer], *, origin: Origin) -> Offer:
    """Return a bundle as a script has it.

    Args:
        number: of it.
        artifact: of the manifest, urls as published.
        layers: tree digest to layer; at least the mandatory ones.
        origin: of the bundle.

    Raises:
        IntegrityError: its layers contradict each other, or lack a program that it promises.
    """
    mandatory = [layer for layer in artifact.layers if not layer.optional]
    digests = tuple(dict.fromkeys(layer.tree_sha256 for layer in mandatory))
    tree, _ = compose((digest, layers[digest].tree) for digest in digests)
    health, requires = artifact.health, artifact.requires
    wanted = [*artifact.entry_points.values(), *([health.program] if health else [])]
    for path in wanted:
        if fault := program_fault(tree, path):
            raise IntegrityError(
                f"{artifact.target} {artifact.version} promises {path}: {fault}", hint="build it again"
            )
    return Offer(
        number=number,
        target=artifact.target,
        engine=artifact.engine,
        platform=artifact.platform,
        accel=artifact.accel,
        version=artifact.version,
        sha256=artifact.sha256,
        tree_sha256=tree.sha256,
        layers=digests,
        glibc=requires.glibc or "",
        macos=requires.macos or "",
        windows=requires.windows or "",
        cpu=requires.cpu,
        driver=requires.driver or "",
        programs=tuple(sorted(artifact.entry_points.items())),
        health_program=health.program if health else "",
        health_args=health.version_args if health else (),
        health_pattern=health.version_pattern if health else "",
        portable_pattern=(portable_pattern(health.version_pattern) or "") if health else "",
        record=_record_parts(_generation(artifact, mandatory, tree.sha256, origin)),
        rehearsal=artifact.rehearsal,
    )


def _generation(artifact: Artifact, layers: Iterable[Layer], tree_sha256: str, origin: Origin) -> Generation:
    return Generation(
        engine=artifact.engine,
        number=_NUMBER,
        target=artifact.target,
        version=artifact.version,
        artifact=artifact,
        layers=tuple(layer.name for layer in layers),
        tree_sha256=tree_sha256,
        installed_at=_TIME,
        source=_SOURCE,
        repository=origin.repository,
        development=origin.development,
    )


def _rank(accel: str) -> int:
    return _PREFERRED.index(accel) if accel in _PREFERRED else len(_PREFERRED)


def _record_parts(generation: Generation) -> tuple[str, ...]:
    """Cut a record where a machine's own values come; each stands once, at the top level."""
    rest, parts = write_document(generation).decode(), []
    for name, value, quoted in (
        ("installed_at", _TIME, True),
        ("number", str(_NUMBER), False),
        ("source", _SOURCE, True),
    ):
        quote = '"' if quoted else ""
        head, found, rest = rest.partition(f'\n  "{name}": {quote}{value}{quote},\n')
        if not found:
            raise ValueError(f"{name} does not stand where it must")
        parts.append(f'{head}\n  "{name}": {quote}')
        rest = f"{quote},\n{rest}"
    return (*parts, rest)
