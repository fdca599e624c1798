"""Statements about a bundle: who made it from what (in-toto, SLSA), and what is in it (CycloneDX)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, JsonValue, field_validator

from pipeline.errors import IntegrityError
from pipeline.model.document_text import document_text
from pipeline.model.frozen import Frozen, Sha256
from pipeline.model.manifest_document import read_document
from pipeline.model.strict_json import parse_json

if TYPE_CHECKING:
    from pipeline.model.manifest import Artifact

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
"""in-toto attestation framework, spec/v1/statement.md."""
PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
"""SLSA specification 1.0, provenance."""
PAYLOAD_TYPE = "application/vnd.in-toto+json"
"""in-toto attestation framework, spec/v1/envelope.md: the payload type of a DSSE envelope around a statement."""
BUILD_TYPE = "urn:engine-pipeline:build:v1"
BUILDER_ID = "urn:engine-pipeline:builder:v1"
PROVENANCE_SUFFIX = ".intoto.json"
SBOM_SUFFIX = ".cdx.json"
COMPILER_CACHES_FIELD = "enginePipeline_compilerCaches"
"""In the metadata of ``runDetails``: kinds of compiler caches, the one thing that an equal build may say otherwise."""
LIMIT_BYTES = 4 << 20
"""No statement is longer, nor an envelope around one; one of ours has some 20 kB."""


_REQUIRED_FIELDS: dict[tuple[str, ...], type] = {
    ("buildDefinition", "buildType"): str,
    ("buildDefinition", "externalParameters"): dict,
    ("runDetails", "builder", "id"): str,
}
# SLSA specification 1.0, provenance: the required fields of a buildDefinition and of runDetails.


class Part(Frozen):
    """Something that is compiled into an engine or travels with it.

    Attributes:
        name: of the part.
        license: SPDX expression.
        version: None where nobody says it.
        purl: package url (``pkg:pypi/...``, ``pkg:conda/...``); None for vendored source.
        sha256: of the wheel or the package; None for vendored source.
    """

    name: str
    license: str
    version: str | None = None
    purl: str | None = None
    sha256: Sha256 | None = None


class Material(Frozen):
    """Something that a bundle was made from.

    Attributes:
        uri: package url, or ``git+`` url; never a place that is only configured, nor one of the building machine; None
            for what its digest alone names.
        name: what it is called.
        digest: algorithm to lower-case hex, as in-toto's DigestSet.
        annotations: what else is known of it, for example who vouches for its digest.
    """

    uri: str | None = None
    name: str
    digest: dict[str, str] = Field(min_length=1)
    annotations: dict[str, str] = {}


class Digests(Frozen):
    """The one digest that this project gives."""

    sha256: Sha256


class Subject(Frozen):
    """A file that a statement is about.

    Attributes:
        name: of the file.
        digest: of its bytes.
    """

    name: str
    digest: Digests


class Statement(Frozen):
    """An in-toto statement with SLSA provenance.

    Attributes:
        statement_type: written as ``_type``.
        subject: bundle and layers.
        predicate_type: written as ``predicateType``.
        predicate: SLSA's ``buildDefinition`` and ``runDetails``.
    """

    statement_type: Literal["https://in-toto.io/Statement/v1"] = Field(alias="_type")
    subject: tuple[Subject, ...] = Field(min_length=1)
    predicate_type: Literal["https://slsa.dev/provenance/v1"] = Field(alias="predicateType")
    predicate: dict[str, JsonValue]

    @field_validator("predicate")
    @classmethod
    def _predicate_has_slsas_form(cls, predicate: dict[str, JsonValue]) -> dict[str, JsonValue]:
        """Ask for the fields that SLSA v1 provenance must have; others may stand beside them."""
        for place, kind in _REQUIRED_FIELDS.items():
            value: JsonValue = predicate
            for name in place:
                value = value.get(name) if isinstance(value, dict) else None
            if not isinstance(value, kind) or not value:
                raise ValueError(f"has no {'.'.join(place)}, or another kind of value there")
        return predicate

    def digests(self) -> frozenset[str]:
        """Return the sha256 of everything that it is about."""
        return frozenset(subject.digest.sha256 for subject in self.subject)


def subject_fault(statement: Statement, artifact: Artifact) -> str | None:
    """Return why a statement is not the one about an artifact, None when it is.

    It must be about the bundle and each of its layers, and about nothing else.
    """
    if statement.digests() != {artifact.sha256, *(layer.sha256 for layer in artifact.layers)}:
        return f"it is about other files than the bundle {artifact.target} {artifact.version} and its layers"
    definition = statement.predicate["buildDefinition"]
    asked = definition.get("externalParameters") if isinstance(definition, dict) else None
    named = {"target": artifact.target, "version": artifact.version, "origin": artifact.origin}
    if not isinstance(asked, dict) or any(asked.get(name) != value for name, value in named.items()):
        return f"it says that its subjects are something else than {artifact.target} {artifact.version}"
    return None


def repeatable_statement(data: bytes) -> bytes:
    """Return a statement without the kinds of compiler caches; what does not name any, or is no statement, as it is."""
    try:
        document: Any = parse_json(data, what="a statement")
        del document["predicate"]["runDetails"]["metadata"][COMPILER_CACHES_FIELD]
    except (IntegrityError, LookupError, TypeError):
        return data
    return document_text(document)


def file_name(url: str) -> str:
    """Return what the file at a location is called."""
    return url.rpartition("/")[2]


def read_statement(data: bytes, *, what: str) -> Statement:
    """Read a statement of somebody else.

    Raises:
        IntegrityError: it is no strict JSON, or no in-toto statement with SLSA v1 provenance.
    """
    return read_document(Statement, data, what=what)
