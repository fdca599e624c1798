"""What is installed in a root: its files on disk, and what commands over it return."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.model.frozen import Frozen, Name, RelativePath, Sha256
from pipeline.model.manifest import Artifact, ProofLevel
from pipeline.model.selection import Selection

Rfc3339 = str


class RootFormat(Frozen):
    """``format.json``: says which layout a root has.

    Attributes:
        format: what this folder is.
        version: of the layout; a newer one is refused, never guessed at.
    """

    format: Literal["engine-pipeline install root"] = "engine-pipeline install root"
    version: int = Field(default=1, ge=1)


class Generation(Frozen):
    """``generations/<engine>/<number>/generation.json``: one installed version; never changed once it is there.

    Attributes:
        schema_version: 1.
        engine: of the target.
        number: counts up within the engine.
        target: ``<engine>/<platform>-<accel>``.
        version: as upstream calls it.
        artifact: the entry of the signed manifest, urls as published.
        layers: names of the layers that are laid into ``tree/``, in order; optional ones only when asked for.
        tree_sha256: digest of ``tree/``, all layers together.
        installed_at: RFC 3339, UTC.
        source: the repository's location.
        repository: id of the repository, as its signed root says.
        development: whether it was trusted through development keys.
    """

    schema_version: Literal[1] = 1
    engine: Name
    number: int = Field(ge=1)
    target: str
    version: Name
    artifact: Artifact
    layers: tuple[Name, ...] = Field(min_length=1)
    tree_sha256: Sha256
    installed_at: Rfc3339
    source: str
    repository: str
    development: bool


class Pointer(Frozen):
    """``current/<engine>.json``: which generation runs. The one file that a switch replaces.

    Attributes:
        schema_version: 1.
        engine: whose pointer it is.
        generation: number of the current one.
        version: of that generation, for readers that want no second file.
        tree: its files, relative to the root.
        history: generations that were current before, the latest first; what a rollback goes back to.
    """

    schema_version: Literal[1] = 1
    engine: Name
    generation: int = Field(ge=1)
    version: Name
    tree: RelativePath
    history: tuple[int, ...] = ()


class InstalledGeneration(Frozen):
    """One line of ``list``.

    Attributes:
        engine: of the generation.
        number: of the generation.
        version: as upstream calls it.
        target: ``<engine>/<platform>-<accel>``.
        installed_at: RFC 3339, UTC.
        current: whether it runs.
        path: absolute path of its files.
        development: whether it was trusted through development keys.
        rehearsal: whether there is no engine in it.
        pinned: whether the engine is pinned to it.
        revoked: why the publisher has withdrawn it; None when it has not.
        fault: why it cannot run although its files are there: the host's Python that it is over is gone, or another;
            None where nothing is seen.
    """

    engine: str
    number: int
    version: str
    target: str
    installed_at: Rfc3339
    current: bool
    path: str
    development: bool
    rehearsal: bool = False
    pinned: bool = False
    revoked: str | None = None
    fault: str | None = None


class NeededLayer(Frozen):
    """One layer that an installation needs.

    Attributes:
        name: of the layer.
        tree_sha256: its identity.
        present: whether the root has it already.
        from_file: whether its archive is in a file at hand.
        delta_from: what it is made of instead of being brought whole: the version of a layer that the root has; None
            otherwise.
        download_bytes: of its archive or its delta, of both where the delta was of no use; 0 when it is present or in a
            file.
        installed_bytes: of its files.
    """

    name: str
    tree_sha256: Sha256
    present: bool
    from_file: bool = False
    delta_from: str | None = None
    download_bytes: int
    installed_bytes: int


class HealthOutcome(Frozen):
    """Whether what is switched to works on this host; a check that fails is an error and not an outcome.

    Attributes:
        level: that was asked for.
        passed: True; None when nothing was run.
        reason: why nothing was run; empty when it was.
        version: what the program says of itself.
        devices: compute devices that it listed.
        generated_tokens: by a real model; None when none was asked.
        ready_seconds: from start until the server was ready, rounded to tenths; None as above.
        resident_bytes: most memory that the server had resident; None as above, or where nobody knows.
        seconds: that it took.
    """

    level: ProofLevel
    passed: bool | None
    reason: str = ""
    version: str | None = None
    devices: tuple[str, ...] = ()
    generated_tokens: int | None = None
    ready_seconds: float | None = None
    resident_bytes: int | None = None
    seconds: float = 0.0


class InstallOutcome(Frozen):
    """What an installation did, or with dry_run would do.

    Attributes:
        changed: False when that very version was there and current.
        dry_run: nothing was changed.
        target: ``<engine>/<platform>-<accel>``.
        version: as upstream calls it.
        previous_version: that ran before, None when there was none.
        generation: number of the current generation; None in a dry run that would make a new one.
        path: absolute path of its files, None as above.
        programs: entry point to absolute path, empty as above.
        layers: what was needed.
        downloaded_bytes: sum over the layers that were neither there nor in files.
        removed_generations: that fell out of the number to keep.
        development: the repository is signed with development keys.
        rehearsal: there is no engine in it.
        selection: why this variant; None when the target was named.
        health: whether it works here; None in a dry run.
        pinned: whether the engine is pinned to that version.
        passed_over: newer versions that their publisher has withdrawn, with the reason.
        previous_revoked: why what was current before must not run any more; None when nothing is said against it.
    """

    changed: bool
    dry_run: bool = False
    target: str
    version: str
    previous_version: str | None = None
    generation: int | None = None
    path: str | None = None
    programs: dict[str, str] = {}
    layers: tuple[NeededLayer, ...] = ()
    downloaded_bytes: int = 0
    removed_generations: tuple[int, ...] = ()
    development: bool = False
    rehearsal: bool = False
    selection: Selection | None = None
    health: HealthOutcome | None = None
    pinned: bool = False
    passed_over: tuple[str, ...] = ()
    previous_revoked: str | None = None


class SwitchOutcome(Frozen):
    """What a rollback or ``use`` did, or with dry_run would do.

    Attributes:
        changed: False when it was current already.
        engine: whose pointer it is.
        version: that runs now.
        generation: its number.
        previous_version: that ran before.
        previous_generation: its number.
        path: absolute path of the files.
        health: whether it works here.
        pinned: whether the engine is pinned to it now.
        unpinned: a pin of the installation was taken away.
        dry_run: nothing was changed.
    """

    changed: bool
    engine: str
    version: str
    generation: int
    previous_version: str
    previous_generation: int
    path: str
    health: HealthOutcome
    pinned: bool = False
    unpinned: bool = False
    dry_run: bool = False


class RemovalOutcome(Frozen):
    """What uninstall or gc removed, or with dry_run would remove.

    Attributes:
        dry_run: nothing was changed.
        generations: as ``<engine>/<number>``.
        layers: tree digests.
        files: how many files went, leftovers included.
        freed_bytes: of layers and leftovers; generations share their files with layers.
    """

    dry_run: bool = False
    generations: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    files: int = 0
    freed_bytes: int = 0
