"""A CycloneDX bill of materials as a reader takes it: whose it is, and that nothing in it is nameless or unlicensed.

Its form was held against CycloneDX's strict schema when it was made (``make.bill_of_materials``); whoever reads one
needs no library for the checks here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import IntegrityError
from pipeline.model.strict_json import LIMIT_BYTES, parse_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.model.manifest import Artifact

BILL_LIMIT_BYTES = LIMIT_BYTES
"""No bill is longer: 16 MiB are some 50,000 files."""
_FORMAT = ("CycloneDX", "1.6")


def bill_fault(data: bytes, artifact: Artifact) -> str | None:
    """Return why a document is not the bill of materials of an artifact, None when it is.

    Args:
        data: as it was found.
        artifact: whose digest and whose layers' digests must be in it.
    """
    try:
        document = parse_json(data, what="the bill of materials", limit_bytes=BILL_LIMIT_BYTES)
    except IntegrityError as error:
        return error.message
    if (_at(document, "bomFormat"), _at(document, "specVersion")) != _FORMAT:
        return "it is no CycloneDX 1.6"
    root, components = _at(document, "metadata", "component"), list(_components(_at(document, "components")))
    if artifact.sha256 not in _hashes(root):
        return f"it is not of the bundle {artifact.target} {artifact.version}"
    if not {layer.sha256 for layer in artifact.layers} <= {sha for part in components for sha in _hashes(part)}:
        return "it lacks a layer of the bundle"
    return next((said for component in (root, *components) if (said := _component_fault(component))), None)


def _component_fault(component: object) -> str | None:
    name = _at(component, "name")
    if not isinstance(name, str) or not name:
        return "it lists a component without a name"
    if not any(_is_license(choice) for choice in _list(_at(component, "licenses"))):
        return f"it names no license of {name}"
    return None


def _components(listed: object) -> Iterator[object]:
    """Yield components and what they are made of; their depth is bounded by that of the document."""
    for component in _list(listed):
        yield component
        yield from _components(_at(component, "components"))


def _is_license(choice: object) -> bool:
    """Tell whether a LicenseChoice of CycloneDX names a license."""
    named = (_at(choice, "expression"), _at(choice, "license", "id"), _at(choice, "license", "name"))
    return any(isinstance(text, str) and text for text in named)


def _hashes(component: object) -> Iterator[str]:
    for entry in _list(_at(component, "hashes")):
        if _at(entry, "alg") == "SHA-256" and isinstance(content := _at(entry, "content"), str):
            yield content


def _at(document: object, *keys: str) -> object:
    for key in keys:
        document = document.get(key) if isinstance(document, dict) else None
    return document


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
