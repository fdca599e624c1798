"""What is in a bundle: a CycloneDX 1.6 bill of materials, the same bytes for the same bundle.

Its serial number comes from the bundle's digest and its time is that of the bundle's files: a second build writes the
same document.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import License
from cyclonedx.model.tool import ToolRepository
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from pipeline.errors import ProofError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.model.actions import MakeBundle
    from pipeline.model.manifest import Artifact
    from pipeline.model.statements import Material, Part
    from pipeline.model.tree import TreeEntry

_SHOWN = 400


def write_sbom(
    artifact: Artifact, action: MakeBundle, *, files: Iterable[TreeEntry], made_of: Iterable[Material]
) -> bytes:
    """Return a bundle's bill of materials, after holding it against CycloneDX's strict schema.

    Args:
        artifact: finished, with its digest.
        action: that it was made by.
        files: of its mandatory layers.
        made_of: sources and archives.

    Raises:
        ProofError: the document does not follow the schema.
    """
    text = JsonV1Dot6(_Writing(artifact, action).bom(files, made_of)).output_as_string(indent=2)
    if fault := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        raise ProofError(
            f"the bill of materials of {artifact.target} does not follow CycloneDX 1.6: {str(fault)[:_SHOWN]}",
            hint="a license in the recipe is no SPDX expression, or this is a bug",
        )
    return text.encode() + b"\n"


class _Writing:
    """The components of one bundle."""

    def __init__(self, artifact: Artifact, action: MakeBundle) -> None:
        self._artifact = artifact
        self._action = action

    def bom(self, files: Iterable[TreeEntry], made_of: Iterable[Material]) -> Bom:

        artifact, action = self._artifact, self._action
        root = self._root()
        engine = self._engine()
        parts = [self.part(part) for part in action.parts if part.name != artifact.engine]
        layers = self._layers()
        contents = [self._file(entry) for entry in files if entry.sha256 is not None]
        sources = [self._material(material) for material in made_of]
        tool = Component(name="engine-pipeline", version=action.builder_version or None, type=ComponentType.APPLICATION)
        bom = Bom(
            serial_number=uuid.uuid5(uuid.NAMESPACE_URL, f"urn:engine-pipeline:bundle:sha256:{artifact.sha256}"),
            metadata=BomMetaData(
                component=root,
                timestamp=datetime.fromtimestamp(action.epoch_seconds, UTC),
                tools=ToolRepository(components=[tool]),
            ),
            components=[engine, *parts, *layers, *contents, *sources],
        )
        bom.register_dependency(root, [engine, *layers])
        bom.register_dependency(engine, [*parts, *sources])
        return bom

    def _root(self) -> Component:

        artifact = self._artifact
        return Component(
            name=artifact.engine,
            version=artifact.version,
            type=ComponentType.APPLICATION,
            bom_ref=f"bundle:{artifact.target}@{artifact.version}",
            description=f"bundle of {artifact.target}",
            hashes=[_sha256(artifact.sha256)],
            licenses=_licenses(" AND ".join(_grouped(expression) for expression in artifact.licenses)),
            properties=[_property("platform", artifact.platform), _property("accel", artifact.accel)],
        )

    def _engine(self) -> Component:

        upstream = self._artifact.upstream
        own = next((part.license for part in self._action.parts if part.name == self._artifact.engine), None)
        namespace, _, name = upstream.repository.rpartition("/")
        return Component(
            name=name,
            version=upstream.tag,
            type=ComponentType.LIBRARY,
            bom_ref=f"engine:{upstream.repository}@{upstream.tag}",
            purl=PackageURL(type="github", namespace=namespace or None, name=name, version=upstream.tag),
            licenses=_licenses(own) if own else [],
        )

    def part(self, part: Part) -> Component:
        """Return a part: vendored source, a wheel or a conda package."""
        return Component(
            name=part.name,
            version=part.version,
            type=ComponentType.LIBRARY,
            bom_ref=part.purl or f"part:{part.name}",
            purl=PackageURL.from_string(part.purl) if part.purl else None,
            licenses=_licenses(part.license),
        )

    def _layers(self) -> list[Component]:

        runtime = " AND ".join(_grouped(expression) for expression in self._action.runtime_licenses)
        return [
            Component(
                name=layer.name,
                type=ComponentType.FILE,
                bom_ref=f"layer:{layer.name}",
                hashes=[_sha256(layer.sha256)],
                licenses=_licenses(runtime) if layer.role == "runtime" and runtime else [],
                properties=[_property("layer-tree-sha256", layer.tree_sha256), _property("layer-role", layer.role)],
            )
            for layer in self._artifact.layers
        ]

    def _file(self, entry: TreeEntry) -> Component:

        return Component(
            name=entry.path,
            type=ComponentType.FILE,
            bom_ref=f"file:{entry.path}",
            hashes=[_sha256(str(entry.sha256))],
        )

    def _material(self, material: Material) -> Component:

        sha256 = material.digest.get("sha256")
        return Component(
            name=material.name,
            type=ComponentType.FILE,
            bom_ref=f"source:{material.uri}",
            hashes=[_sha256(sha256)] if sha256 else [],
            properties=[_property("uri", material.uri)]
            + [_property(f"digest-{name}", value) for name, value in material.digest.items() if name != "sha256"],
        )


def _sha256(digest: str) -> HashType:

    return HashType(alg=HashAlgorithm.SHA_256, content=digest)


def _property(name: str, value: str) -> Property:
    return Property(name=f"engine-pipeline:{name}", value=value)


def _grouped(expression: str) -> str:
    return f"({expression})" if " " in expression else expression


def _licenses(expression: str) -> list[License]:
    """Return an SPDX identifier or expression as CycloneDX has it."""
    return [LicenseFactory().make_from_string(expression)] if expression else []
