"""Statements about a bundle: who made it from what (in-toto, SLSA), and what is in it (CycloneDX)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue

from pipeline.model.frozen import Frozen, Sha256
from pipeline.model.manifest_document import read_document

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
LIMIT_BYTES = 4 << 20
"""No statement is longer; one of ours has some 20 kB."""


class Part(Frozen):
    """Something that is compiled into an engine or travels with it.

    Attributes:
        name: of the part.
        license: SPDX expression.
        version: None where nobody says it.
        purl: package url (``pkg:pypi/...``, ``pkg:conda/...``); None for vendored source.
    """

    name: str
    license: str
    version: str | None = None
    purl: str | None = None


class Material(Frozen):
    """Something that a bundle was made from.

    Attributes:
        uri: package url, or ``git+`` url; never a place that is only configured.
        name: what it is called.
        digest: algorithm to lower-case hex, as in-toto's DigestSet.
    """

    uri: str
    name: str
    digest: dict[str, str] = Field(min_length=1)


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

    def digests(self) -> frozenset[str]:
        """Return the sha256 of everything that it is about."""
        return frozenset(subject.digest.sha256 for subject in self.subject)


def file_name(url: str) -> str:
    """Return what the file at a location is called."""
    return url.rpartition("/")[2]


def read_statement(data: bytes, *, what: str) -> Statement:
    """Read a statement of somebody else.

    Raises:
        IntegrityError: it is no strict JSON, or no in-toto statement with SLSA v1 provenance.
    """
    return read_document(Statement, data, what=what)
