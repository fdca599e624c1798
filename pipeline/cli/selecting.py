"""What ``select`` and ``explain`` share: their options, and one choice with everything about it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.app.services import disk, host, open_services
from pipeline.cli.host_facts import read_host_facts
from pipeline.cli.locations import location_of
from pipeline.cli.options import FILE
from pipeline.cli.root_options import root_option
from pipeline.cli.trusted_root import find_trusted_root
from pipeline.deploy.layout import Layout
from pipeline.deploy.offering import offered_by, offered_in, revoked_by
from pipeline.deploy.select import require_accelerator, select
from pipeline.deploy.standing import revoked_and_current
from pipeline.deploy.trust import TrustedRepository
from pipeline.environments.host_python import lacks_python
from pipeline.errors import PipelineError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pipeline.cli.session import Session
    from pipeline.deploy.select import Choice
    from pipeline.model.host import HostFacts
    from pipeline.model.manifest import Artifact
    from pipeline.model.revocation import Revocation

    Callback = Callable[..., None]

require_accel_option = click.option(
    "--require-accel", is_flag=True, help="End with code 10 when what would run computes on the processor."
)
host_facts_option = click.option(
    "--host-facts", type=FILE, metavar="FILE", help="Choose for a recorded host instead of this one."
)
_OPTIONS = (
    click.option("--from", "location", metavar="URL_OR_DIR", help="A signed repository."),
    click.option(
        "--manifest",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="A manifest, or a folder that has one; not signed.  [default: that of the output folder]",
    ),
    click.option("--engine", metavar="E", help="Which engine; needed where several are offered."),
    click.option("--version", metavar="V", help="Only this version.  [default: the newest that fits]"),
    host_facts_option,
    require_accel_option,
    click.option("--trusted-root", type=FILE, metavar="FILE", help="Root metadata that the publisher gave you."),
    root_option,
)


@dataclass(frozen=True, slots=True)
class Question:
    """What ``select`` or ``explain`` was asked; the attributes are the options.

    Attributes:
        location: of a signed repository.
        manifest: a file or folder instead of it.
        engine: None means the only one.
        version: None means the newest that fits.
        host_facts: a recorded host.
        require_accel: whether the processor is no answer.
        trusted_root: for ``location``.
        root: of an installation, whose trust is used.
    """

    location: str | None = None
    manifest: Path | None = None
    engine: str | None = None
    version: str | None = None
    host_facts: Path | None = None
    require_accel: bool = False
    trusted_root: Path | None = None
    root: Path | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A choice and what it was made from.

    Attributes:
        choice: the choice.
        facts: about the host.
        source: where the variants are listed.
        signed: whether that was checked.
        revoked_current: what runs in the installation and was withdrawn by its publisher, with the reason.
        lacks: what this machine lacks to install the choice, and what to do; empty when nothing is seen, and for a
            recorded host.
    """

    choice: Choice
    facts: HostFacts
    source: str
    signed: bool
    revoked_current: tuple[str, ...] = ()
    lacks: str = ""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What must not be overlooked."""
        return (*self.choice.selection.warnings, *filter(None, (self.lacks, self._rehearsal)))

    @property
    def _rehearsal(self) -> str:
        """Say that the choice is a rehearsal; empty where it is none."""
        artifact = self.choice.artifact
        if artifact is None or not artifact.rehearsal:
            return ""
        return f"{artifact.target} {artifact.version} is a rehearsal: there is no engine in it"

    def document(self) -> dict[str, object]:
        """Return what ``--json`` prints."""
        selection = self.choice.selection.model_dump(mode="json")
        more = {"source": self.source, "signed": self.signed, "revoked_current": list(self.revoked_current)}
        return {**selection, **more, "warnings": list(self.warnings), "host": self.facts.model_dump(mode="json")}


def selection_options(function: Callback) -> Callback:
    """Add the options of ``Question`` to a click callback."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def host_facts(session: Session, recorded: Path | None) -> HostFacts:
    """Return recorded facts, or this machine's with its devices.

    Raises:
        UsageError, IntegrityError: as ``read_host_facts``.
    """
    return read_host_facts(recorded) if recorded else host(session.settings).survey()


def answer(session: Session, question: Question) -> Answer:
    """Choose, as asked; nothing that fits is an answer too.

    Raises:
        UsageError: both a repository and a manifest are named, or several engines are offered and none is.
        NothingSelectedError: nothing is offered, or not of that engine or version.
        PipelineError: the manifests cannot be had or trusted.
    """
    if question.location and question.manifest:
        raise UsageError("--from and --manifest exclude each other", hint="give one of them")
    facts = host_facts(session, question.host_facts)
    offered: Sequence[Artifact]
    revoked: Mapping[str, Revocation] = {}
    if question.location:
        location = location_of(question.location)
        offered, revoked = _signed(session, question, location)
    else:
        path = question.manifest or session.settings.output
        if question.manifest is None and not (path / "manifest.json").is_file():
            raise UsageError(
                "what to choose from is not said", hint="give a repository with --from, or a manifest with --manifest"
            )
        location, offered = str(path), offered_in(path)
    choice = select(offered, facts, engine=question.engine, version=question.version, revoked=revoked)
    layout = _layout(session, question)
    current = revoked_and_current(layout) if layout and layout.looks_installed() else ()
    lacks = ""
    if choice.artifact is not None and question.host_facts is None:
        lacks = lacks_python(choice.artifact.environment, host(session.settings))
    signed = bool(question.location)
    return Answer(choice, facts, location, signed=signed, revoked_current=current, lacks=lacks)


def finish(session: Session, found: Answer, question: Question) -> None:
    """Warn of what is not used or not there; end with an error's code where nothing fits or a GPU was required.

    Raises:
        NothingSelectedError: nothing fits.
        NoAcceleratorError: it computes on the processor and ``--require-accel`` was given.
    """
    try:
        artifact = found.choice.require(is_listed=True)
        if question.require_accel:
            require_accelerator(artifact, found.choice.selection)
    except PipelineError as error:
        session.end_with(error)
    for warning in (*found.warnings, *(f"{line}; it is current" for line in found.revoked_current)):
        session.warn(warning)


def _layout(session: Session, question: Question) -> Layout | None:
    root = question.root or session.settings.root
    return Layout(root) if root else None


def _signed(session: Session, question: Question, location: str) -> tuple[list[Artifact], Mapping[str, Revocation]]:
    layout = _layout(session, question)
    trusted = find_trusted_root(
        session, flag=question.trusted_root, pinned=layout.trusted_root_path if layout else None
    )
    settings = session.settings
    # Only an installation that is there is written to; what was seen of a repository is remembered in the cache else.
    state_dir = layout.trust_dir if layout and layout.looks_installed() else settings.cache_dir / "trust"
    with ExitStack() as held:
        services = held.enter_context(open_services(settings, store_dir=settings.cache_dir, location=location))
        repository = held.enter_context(
            TrustedRepository.open(location, state_dir=state_dir, trusted_root=trusted, services=services, disk=disk())
        )
        offered = offered_by(repository, engine=question.engine)
        return offered, revoked_by(repository, sorted({artifact.engine for artifact in offered}))
