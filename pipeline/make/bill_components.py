"""Components of a bill of materials: an engine, what is compiled into it, packages, layers with their files, sources.

Each has a license; one that nobody states is said to be unknown (``NOASSERTION``) rather than left out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.model.license import LicenseExpression
from packageurl import PackageURL

from pipeline.names import accel_version, family_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cyclonedx.model.license import License

    from pipeline.model.manifest import Artifact, Layer
    from pipeline.model.statements import Material, Part
    from pipeline.model.tree import TreeEntry

_UNKNOWN_LICENSE = "NOASSERTION"  # what SPDX calls it; CycloneDX has no word of its own
_OWN_REFERENCE = re.compile(r"\bLicenseRef-[A-Za-z0-9.-]+")  # SPDX 2.3, annex D.2


def bundle_component(artifact: Artifact) -> Component:
    """Return the bundle itself, what the bill is of."""
    return Component(
        name=artifact.engine,
        version=artifact.version,
        type=ComponentType.APPLICATION,
        bom_ref=f"bundle:{artifact.target}@{artifact.version}",
        description=f"bundle of {artifact.target}",
        hashes=[_sha256(artifact.sha256)],
        licenses=_licenses(all_of(artifact.licenses)),
        properties=[
            _property("platform", artifact.platform),
            _property("accel", artifact.accel),
            _property("origin", artifact.origin),
            *([_property("rehearsal", "true")] if artifact.rehearsal else []),
        ],
    )


def engine_component(artifact: Artifact, *, license_text: str) -> Component:
    """Return upstream's engine.

    Args:
        artifact: that it is in.
        license_text: SPDX expression of its own code, empty where it is not known.
    """
    upstream = artifact.upstream
    namespace, _, name = upstream.repository.rpartition("/")
    return Component(
        name=name,
        version=upstream.tag,
        type=ComponentType.LIBRARY,
        bom_ref=f"engine:{upstream.repository}@{upstream.tag}",
        purl=PackageURL(type="github", namespace=namespace or None, name=name, version=upstream.tag),
        licenses=_licenses(license_text),
    )


def part_component(part: Part) -> Component:
    """Return a part: vendored source, a wheel (``pkg:pypi/...``) or a conda package (``pkg:conda/...``)."""
    return Component(
        name=part.name,
        version=part.version,
        type=ComponentType.LIBRARY,
        bom_ref=part.purl or f"part:{part.name}",
        purl=PackageURL.from_string(part.purl) if part.purl else None,
        hashes=[_sha256(part.sha256)] if part.sha256 else [],
        licenses=_licenses(part.license),
    )


def runtime_component(artifact: Artifact, layer: Layer, *, license_text: str) -> Component:
    """Return the vendor's libraries that a runtime layer carries, under the vendor's license."""
    return Component(
        name=f"{family_of(artifact.accel)}-runtime",
        version=accel_version(artifact.accel) or None,
        type=ComponentType.LIBRARY,
        bom_ref=f"runtime:{layer.name}",
        hashes=[],
        licenses=_licenses(license_text),
    )


def layer_component(layer: Layer, files: Iterable[TreeEntry], *, license_text: str) -> Component:
    """Return a layer's archive with the files that are in it."""
    contents = [
        Component(
            name=entry.path,
            type=ComponentType.FILE,
            bom_ref=f"file:{layer.name}/{entry.path}",
            hashes=[_sha256(entry.sha256)],
            licenses=_licenses(license_text),
        )
        for entry in files
        if entry.sha256 is not None
    ]
    return Component(
        name=layer.name,
        type=ComponentType.FILE,
        bom_ref=f"layer:{layer.name}",
        hashes=[_sha256(layer.sha256)],
        licenses=_licenses(license_text),
        properties=[_property("layer-tree-sha256", layer.tree_sha256), _property("layer-role", layer.role)],
        components=contents,
    )


def material_component(material: Material, *, license_text: str) -> Component:
    """Return what a bundle was made from; it is not in the bundle as such, so its scope is excluded."""
    sha256 = material.digest.get("sha256")
    known = {"uri": material.uri, **{f"digest-{name}": value for name, value in material.digest.items()}}
    known |= material.annotations
    return Component(
        name=material.name,
        type=ComponentType.FILE,
        scope=ComponentScope.EXCLUDED,
        bom_ref=f"source:{material.uri or material.name}",
        hashes=[_sha256(sha256)] if sha256 else [],
        licenses=_licenses(license_text),
        properties=[_property(name, value) for name, value in known.items() if value and name != "digest-sha256"],
    )


def all_of(expressions: Iterable[str]) -> str:
    """Return the SPDX expression of everything that is under several licenses at once."""
    each = dict.fromkeys(expressions)
    return " AND ".join(f"({text})" if " " in text and len(each) > 1 else text for text in each)


def _licenses(expression: str) -> list[License]:
    """Return an SPDX identifier or expression as CycloneDX has it; the library's own check knows no ``LicenseRef-``."""
    factory = LicenseFactory()
    if _OWN_REFERENCE.search(expression):
        as_known = factory.make_from_string(_OWN_REFERENCE.sub("MIT", expression))
        if isinstance(as_known, LicenseExpression) or as_known.id is not None:
            return [LicenseExpression(expression)]
    return [factory.make_from_string(expression or _UNKNOWN_LICENSE)]


def _sha256(digest: str) -> HashType:
    return HashType(alg=HashAlgorithm.SHA_256, content=digest)


def _property(name: str, value: str) -> Property:
    return Property(name=f"engine-pipeline:{name}", value=value)
