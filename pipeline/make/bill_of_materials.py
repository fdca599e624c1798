"""What is in a bundle: a CycloneDX 1.6 bill of materials, the same bytes for the same bundle.

Its serial number comes from the bundle's digest and its time is that of the bundle's files: a second build writes the
same document.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING

from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.tool import ToolRepository
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from pipeline.errors import ProofError
from pipeline.make.bill_components import (
    all_of,
    bundle_component,
    engine_component,
    layer_component,
    material_component,
    part_component,
    runtime_component,
)
from pipeline.model.bill_of_materials import bill_fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pipeline.model.actions import MakeBundle
    from pipeline.model.manifest import Artifact, Layer
    from pipeline.model.statements import Material, Part
    from pipeline.model.tree import TreeEntry

_SHOWN = 400
_OURS = "MIT"  # what this project's own files in a bundle are under: LICENSE


def write_sbom(
    artifact: Artifact,
    action: MakeBundle,
    *,
    files: Mapping[str, Iterable[TreeEntry]],
    made_of: Iterable[Material],
    part_versions: Mapping[str, str] | None = None,
    packages: Mapping[str, Sequence[Part]] | None = None,
) -> bytes:
    """Return a bundle's bill of materials, after holding it against CycloneDX's strict schema.

    Args:
        artifact: finished, with its digest.
        action: that it was made by.
        files: name of a mandatory layer to what is in it.
        made_of: sources and archives, the engine's own first.
        part_versions: of parts whose version the source says.
        packages: layer to the wheels and conda packages in it; empty for what is compiled.

    Raises:
        ProofError: the document does not follow the schema, or is none that ``verify`` would take.
    """
    bom = _Writing(artifact, action, part_versions or {}, packages or {}).bom(files, tuple(made_of))
    data = JsonV1Dot6(bom).output_as_string(indent=2).encode() + b"\n"
    fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(data.decode())
    if said := str(fault) if fault else bill_fault(data, artifact):
        raise ProofError(
            f"the bill of materials of {artifact.target} does not follow CycloneDX 1.6: {said[:_SHOWN]}",
            hint="a license in the recipe is no SPDX expression, or this is a bug",
        )
    return data


class _Writing:
    """The bill of one bundle."""

    def __init__(
        self,
        artifact: Artifact,
        action: MakeBundle,
        part_versions: Mapping[str, str],
        packages: Mapping[str, Sequence[Part]],
    ) -> None:
        self._artifact = artifact
        self._action = action
        self._packages = packages
        listed = [part for parts in packages.values() for part in parts] or action.parts
        self._own = next((part.license for part in listed if part.name == artifact.engine), "")
        self._parts = (
            ()
            if packages
            else tuple(
                part.model_copy(update={"version": part.version or part_versions.get(part.name)})
                for part in action.parts
                if part.name != artifact.engine
            )
        )
        self._vendor = all_of(action.runtime_licenses)

    def bom(self, files: Mapping[str, Iterable[TreeEntry]], made_of: tuple[Material, ...]) -> Bom:
        artifact, action = self._artifact, self._action
        root = bundle_component(artifact)
        engine = engine_component(artifact, license_text=self._own)
        parts = [part_component(part) for part in self._parts]
        packages = {name: [part_component(part) for part in parts] for name, parts in self._packages.items()}
        layers = {
            layer.name: layer_component(layer, self._files(layer, files), license_text=self._license(layer))
            for layer in artifact.layers
        }
        runtimes = {
            layer.name: runtime_component(artifact, layer, license_text=self._vendor)
            for layer in artifact.layers
            if layer.role == "runtime" and not self._packages
        }
        sources = [
            material_component(material, license_text=self._own if number == 0 else self._vendor)
            for number, material in enumerate(made_of)
        ]
        tool = Component(name="engine-pipeline", version=action.builder_version or None, type=ComponentType.APPLICATION)
        bom = Bom(
            serial_number=uuid.uuid5(uuid.NAMESPACE_URL, f"urn:engine-pipeline:bundle:sha256:{artifact.sha256}"),
            metadata=BomMetaData(
                component=root,
                timestamp=datetime.fromtimestamp(action.epoch_seconds, UTC),
                tools=ToolRepository(components=[tool]),
            ),
            components=[
                engine,
                *parts,
                *chain.from_iterable(packages.values()),
                *runtimes.values(),
                *layers.values(),
                *sources,
            ],
        )
        bom.register_dependency(root, layers.values())
        for name, layer in layers.items():
            bom.register_dependency(layer, packages.get(name, [runtimes.get(name, engine)]))
        bom.register_dependency(engine, [*parts, *sources])
        return bom

    def _files(self, layer: Layer, files: Mapping[str, Iterable[TreeEntry]]) -> Iterable[TreeEntry]:
        """Return the files to list: none of packages, which say theirs themselves, by the thousand (RECORD, paths)."""
        return () if layer.name in self._packages else files.get(layer.name, ())

    def _license(self, layer: Layer) -> str:
        """Return what the files of a layer are under.

        All parts are linked into the core, none into a runtime; files of packages are under any of their licenses.
        """
        if self._packages:
            packages = self._packages.get(layer.name)
            return _OURS if packages is None else all_of(sorted({part.license for part in packages if part.license}))
        if layer.role == "runtime":
            return self._vendor
        if layer.role == "backend":
            return self._own
        return all_of((*([self._own] if self._own else []), *(part.license for part in self._parts)))
