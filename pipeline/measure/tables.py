"""The tables of a report, the same for its page and its summary. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.measure.size_figures import each_once
from pipeline.measure.wording import bytes_text, change_text, share_text, time_text
from pipeline.model.counts import counted, listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pipeline.model.footprint import BundleFootprint, FootprintReport, PlacedFile, Sharing

_DIGITS = 8
_SHOWN_USERS = 3


@dataclass(frozen=True, slots=True)
class Table:
    """One table.

    Attributes:
        title: above it.
        headings: of the columns.
        rows: cells, one for each heading.
        right: headings of columns that are set to the right.
        total: how many rows there would be if none were left out.
    """

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: frozenset[str] = frozenset()
    total: int = 0

    @property
    def left_out(self) -> int:
        """How many rows are in ``report.json`` alone."""
        return max(self.total - len(self.rows), 0)

    def shortened(self, rows: int) -> Table:
        """Return it with at most so many rows."""
        return Table(self.title, self.headings, self.rows[:rows], self.right, max(self.total, len(self.rows)))


def bundle_table(report: FootprintReport) -> Table:
    """Return every bundle with its sizes and what it needs."""
    rows = tuple(
        (
            bundle.target,
            bundle.version,
            bytes_text(bundle.download),
            bytes_text(bundle.installed),
            " + ".join(layer.name for layer in bundle.layers if not layer.optional),
            _needs(bundle),
        )
        for bundle in report.bundles
    )
    headings = ("target", "version", "download", "installed", "layers", "needs of the host")
    return Table("Bundles", headings, rows, frozenset({"download", "installed"}))


def layer_table(report: FootprintReport) -> Table:
    """Return every layer with who shares it."""
    layers = sorted(report.layers, key=lambda layer: (-layer.installed, layer.name, layer.tree_sha256))
    rows = tuple(
        (
            f"{layer.name} {layer.tree_sha256[:_DIGITS]}",
            layer.role,
            bytes_text(layer.download),
            bytes_text(layer.installed),
            str(len(layer.files)),
            str(len(layer.bundles)),
            listed(layer.bundles, shown=_SHOWN_USERS),
        )
        for layer in layers
    )
    headings = ("layer", "role", "download", "installed", "files", "bundles", "which")
    return Table("Layers", headings, rows, frozenset({"download", "installed", "files", "bundles"}))


def file_table(report: FootprintReport) -> Table:
    """Return the files of all layers, the largest first."""
    files = sorted(each_once(report), key=lambda item: (-item[1].size, item[1].path))
    whole = sum(file.size for _, file in files)
    rows = tuple(
        (file.path, layer.name, file.format or "", bytes_text(file.size), share_text(file.size, whole))
        for layer, file in files
    )
    return Table("Largest files", ("file", "layer", "format", "size", "of all"), rows, frozenset({"size", "of all"}))


def section_table(report: FootprintReport) -> Table:
    """Return what ELF files consist of, the largest first."""
    files = sorted((file for _, file in each_once(report) if file.sections), key=lambda file: (-file.size, file.path))
    rows = tuple(
        (
            file.path,
            *map(bytes_text, (s.text, s.rodata, s.data, s.gpu_bytes, s.debug, s.symbols, s.other, file.size)),
            ", ".join(f"{name or 'between'} {bytes_text(size)}" for name, size in s.gpu.items()),
        )
        for file in files
        if (s := file.sections)
    )
    sizes = ("code", "constants", "data", "GPU code", "debug", "symbols", "other", "size")
    return Table("Sections of ELF files", ("file", *sizes, "GPU code by architecture"), rows, frozenset(sizes))


def sharing_table(report: FootprintReport) -> Table:
    """Return what bundles cost together."""
    rows = tuple(row for one in report.sharing for row in _sharing_rows(one))
    headings = ("bundles", "counted", "download", "installed", "of the sum")
    return Table("Together", headings, rows, frozenset(headings[2:]))


def shared_file_table(report: FootprintReport) -> Table:
    """Return files that several layers have."""
    rows = tuple(
        (
            listed(file.paths, shown=1),
            bytes_text(file.size),
            str(len(file.layers)),
            bytes_text(file.size * (len(file.layers) - 1)),
            listed(file.layers, shown=_SHOWN_USERS),
        )
        for file in report.sharing[0].shared_files
    )
    headings = ("file", "size", "layers", "could be saved", "which")
    return Table("Files that several layers have", headings, rows, frozenset(headings[1:4]))


def update_table(report: FootprintReport) -> Table:
    """Return what became of each bundle since its baseline."""
    brought = {update.target: update.with_deltas for update in report.updates if update.compared}
    rows = tuple(
        (
            one.target,
            f"{one.baseline} → {one.version}",
            change_text(one.before.download, one.after.download),
            change_text(one.before.installed, one.after.installed),
            bytes_text(one.fetch),
            "not measured" if (with_deltas := brought.get(one.target)) is None else bytes_text(with_deltas),
            bytes_text(one.new_bytes),
            listed([layer.name for layer in one.layers if layer.same]) or "none",
        )
        for one in report.comparisons
    )
    headings = ("target", "versions", "download", "installed", "to fetch", "with deltas", "new in files")
    return Table("Updates", (*headings, "layers that stay"), rows, frozenset(headings[2:]))


def change_table(report: FootprintReport) -> Table:
    """Return files that changed, what grew most first; the same change of a shared layer once."""
    changes = {
        (change.layer, change.path, change.before, change.after): change
        for one in report.comparisons
        for change in one.files
    }
    ordered = sorted(changes.values(), key=lambda change: (-abs(change.grown), change.layer, change.path))
    rows = tuple(
        (
            change.path,
            change.layer,
            "new" if change.before is None else bytes_text(change.before),
            "gone" if change.after is None else bytes_text(change.after),
            change_text(change.before or 0, change.after or 0) if change.grown else "same size",
        )
        for change in ordered
    )
    headings = ("file", "layer", "before", "after", "change")
    return Table("Files that changed", headings, rows, frozenset(headings[2:]))


def unstripped_table(report: FootprintReport) -> Table:
    """Return binaries with what only debuggers read; those of a shared layer once."""
    files = (file for bundle in report.bundles for file in bundle.findings.unstripped)
    return _placed("Symbols and debug sections that were left in", files)


def program_table(report: FootprintReport) -> Table:
    """Return programs that no entry point names; those of a shared layer once."""
    files = (file for bundle in report.bundles for file in bundle.findings.unlisted_programs)
    return _placed("Programs that no entry point names", files)


def duplicate_table(report: FootprintReport) -> Table:
    """Return what is in a bundle more than once."""
    twice = {one.sha256: one for bundle in report.bundles for one in bundle.findings.duplicates}
    rows = tuple(
        (listed(one.paths, shown=_SHOWN_USERS), bytes_text(one.size), bytes_text(one.wasted))
        for one in sorted(twice.values(), key=lambda one: (-one.wasted, one.sha256))
    )
    headings = ("files", "size of one", "could be saved")
    return Table("The same bytes twice in a bundle", headings, rows, frozenset(headings[1:]))


def time_table(report: FootprintReport) -> Table:
    """Return the steps of builds, the longest first."""
    times = sorted(report.times, key=lambda time: (-time.milliseconds, time.step))
    rows = tuple(
        (time.step, time_text(time.milliseconds), time.run, counted(len(time.targets), "target"))
        for time in times
        if not time.reused
    )
    return Table("Steps of the build", ("step", "time", "build of", "for"), rows, frozenset({"time"}))


def _sharing_rows(one: Sharing) -> Sequence[tuple[str, ...]]:
    what = f"{one.bundles}" + (" with those they are compared with" if one.scope == "releases" else "")
    whole = one.naive.installed
    return (
        (what, "each by itself", bytes_text(one.naive.download), bytes_text(whole), "100%"),
        (
            what,
            "each layer once",
            bytes_text(one.by_layer.download),
            bytes_text(one.by_layer.installed),
            share_text(one.by_layer.installed, whole),
        ),
        (what, "each file once", "-", bytes_text(one.by_file), share_text(one.by_file, whole)),
    )


def _needs(bundle: BundleFootprint) -> str:
    needs = bundle.requires
    parts = [
        f"glibc {needs.glibc}" if needs.glibc else "",
        f"macOS {needs.macos}" if needs.macos else "",
        f"driver {needs.driver}" if needs.driver else "",
        listed(needs.gpu_architectures, shown=_SHOWN_USERS),
    ]
    return ", ".join(filter(None, parts)) or "-"


def _placed(title: str, files: Iterable[PlacedFile]) -> Table:
    once = {(file.layer, file.path, file.size): file for file in files}
    ordered = sorted(once.values(), key=lambda file: (-file.size, file.layer, file.path))
    rows = tuple((file.path, file.layer, bytes_text(file.size)) for file in ordered)
    return Table(title, ("file", "layer", "size"), rows, frozenset({"size"}))
