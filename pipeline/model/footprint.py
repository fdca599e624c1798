"""What ``report footprint`` says. Sizes are bytes; everything that has no order of its own is sorted."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.model.frozen import FileSize, Frozen, Line, Name, RelativePath, Sha256, UtcTime
from pipeline.model.growth import Amount, Comparison, Growth
from pipeline.model.layer_content import FileFootprint
from pipeline.model.manifest import LayerRole, Requires
from pipeline.model.step_times import Milliseconds, StepTime
from pipeline.model.updates import Update

FOOTPRINT_VERSION: Literal[1] = 1


class LayerFootprint(Frozen):
    """One layer, once however many bundles have it.

    Attributes:
        name: ``core``, the accelerator's name ...
        role: what it is for.
        tree_sha256: its identity.
        download: its archive.
        installed: sum of its files.
        bundles: ``<target> <version>`` of those that have it, sorted.
        files: sorted by path.
    """

    name: Name
    role: LayerRole
    tree_sha256: Sha256
    download: FileSize
    installed: FileSize
    bundles: tuple[Line, ...]
    files: tuple[FileFootprint, ...]


class LayerUse(Frozen):
    """A layer as one bundle has it.

    Attributes:
        name: of the layer.
        role: of the layer.
        tree_sha256: says which of the report's layers it is.
        download: its archive.
        installed: sum of its files.
        optional: the engine runs without it: neither the bundle's download nor its installed size has it, unless it is
            the installer that only travels.
    """

    name: Name
    role: LayerRole
    tree_sha256: Sha256
    download: FileSize
    installed: FileSize
    optional: bool = False


class PlacedFile(Frozen):
    """A file of a bundle that something is said about.

    Attributes:
        layer: that has it.
        path: within the layer.
        size: in bytes, of what is spoken of: all of it, or the part that could go.
    """

    layer: Name
    path: RelativePath
    size: FileSize


class DuplicateFile(Frozen):
    """The same bytes under several names of a bundle.

    Attributes:
        sha256: of the bytes.
        size: of one.
        paths: ``<layer>/<path>``, sorted; at least two.
    """

    sha256: Sha256
    size: FileSize
    paths: tuple[Line, ...]

    @property
    def wasted(self) -> int:
        """What would be saved if it were there once."""
        return self.size * (len(self.paths) - 1)


class BundleFindings(Frozen):
    """What a bundle could do without; the mandatory layers alone are looked at.

    Attributes:
        unstripped: files with a symbol table or debug sections inside; the size is what only debuggers read.
        duplicates: the same bytes more than once.
        unlisted_programs: executables that no entry point names; one of the bundle's own may start them all the same.
    """

    unstripped: tuple[PlacedFile, ...] = ()
    duplicates: tuple[DuplicateFile, ...] = ()
    unlisted_programs: tuple[PlacedFile, ...] = ()


class BundleFootprint(Frozen):
    """One bundle: what a user of that target gets.

    Attributes:
        target: ``<engine>/<platform>-<accel>``.
        version: as upstream calls it.
        download: the self-contained bundle.
        installed: files of its mandatory layers.
        layers: in the order in which they are laid.
        requires: what the host must have.
        findings: what it could do without.
        rehearsal: there is no engine in it.
    """

    target: Line
    version: Name
    download: FileSize
    installed: FileSize
    layers: tuple[LayerUse, ...]
    requires: Requires
    findings: BundleFindings
    rehearsal: bool = False


class SharedFile(Frozen):
    """Bytes that are in more than one layer.

    Attributes:
        sha256: of the bytes.
        size: of one.
        paths: under which names, sorted.
        layers: ``<name> <first digits of its digest>``, sorted.
    """

    sha256: Sha256
    size: FileSize
    paths: tuple[RelativePath, ...]
    layers: tuple[Line, ...]


class Sharing(Frozen):
    """What some bundles cost together.

    Attributes:
        scope: ``targets``: the bundles of this report; ``releases``: these and those that they are compared with.
        bundles: how many.
        naive: each bundle by itself.
        by_layer: each layer once: what a repository, a mirror and an installation keep.
        by_file: installed size with each file once, which a store of single files would come to.
        shared_files: bytes in more than one of the layers, the largest saving first.
    """

    scope: Literal["targets", "releases"]
    bundles: int
    naive: Amount
    by_layer: Amount
    by_file: FileSize
    shared_files: tuple[SharedFile, ...] = ()


class StrategyTime(Frozen):
    """How long one strategy took from nothing to the first token; made of what ``bench strategies`` measured.

    Attributes:
        target: that was brought.
        version: of it; that of the bundle which the report is about.
        strategy: ``on demand``, ``bundled``, ``mirror``, ``self-built`` ...
        link: profile of the network; empty where none is needed.
        milliseconds: median.
        least: fastest run, milliseconds; of a forecast the lower end of its range, None where its error is not known.
        most: slowest run, milliseconds; of a forecast the upper end of its range, None where it has none.
        forecast: it was computed and not run.
    """

    target: Line
    version: Name
    strategy: Line
    link: Line = ""
    milliseconds: Milliseconds
    least: Milliseconds | None
    most: Milliseconds | None
    forecast: bool = False


class FootprintReport(Frozen):
    """Everything that a report says; ``report.json``.

    Attributes:
        schema_version: 1.
        made_from: ``dist`` or ``repository``.
        release: our own name of the release, as its newest manifest says.
        created: of that manifest; a report has no time of its own.
        targets: what is reported, sorted.
        bundles: one a target, sorted.
        layers: of these bundles, each once; by name, then digest.
        sharing: across targets; and across releases where there is something to compare with.
        comparisons: with the baseline, one a target that has one.
        without_baseline: targets that the baseline does not have.
        updates: from each version of a target to its next one, the oldest first, and to the bundles of this report.
        growth: one a target.
        times: of the build, as far as they are known; empty for a repository.
        strategies: times to the first token of these bundles; empty where no file has any.
    """

    schema_version: Literal[1] = FOOTPRINT_VERSION
    made_from: Literal["dist", "repository"]
    release: Name
    created: UtcTime
    targets: tuple[Line, ...] = Field(min_length=1)
    bundles: tuple[BundleFootprint, ...] = Field(min_length=1)
    layers: tuple[LayerFootprint, ...]
    sharing: tuple[Sharing, ...]
    comparisons: tuple[Comparison, ...] = ()
    without_baseline: tuple[Line, ...] = ()
    updates: tuple[Update, ...] = ()
    growth: tuple[Growth, ...] = ()
    times: tuple[StepTime, ...] = ()
    strategies: tuple[StrategyTime, ...] = ()
