"""The pictures of sizes: bundles, files, what binaries consist of, what is shared. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Literal

from pipeline.accelerators.architectures import sorted_architectures
from pipeline.measure.figure import Figure, bars
from pipeline.measure.pictures import Row, stacked
from pipeline.measure.wording import bytes_text, share_text
from pipeline.model.counts import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pipeline.model.footprint import BundleFootprint, FootprintReport, LayerFootprint
    from pipeline.model.layer_content import FileFootprint

_LARGEST_FILES, _LARGEST_BINARIES = 15, 12
_WORTH_A_BAR = 0.01
_ROLES = {
    "core": "var(--c1)",
    "backend": "var(--c2)",
    "runtime": "var(--c3)",
    "base": "var(--c4)",
    "wheels": "var(--c5)",
    "installer": "var(--c6)",
    "miniforge": "var(--c7)",
    "card": "var(--c8)",
}
_SECTIONS = {
    "code": "var(--c1)",
    "constants": "var(--c4)",
    "data": "var(--c6)",
    "GPU code": "var(--c2)",
    "debug": "var(--c3)",
    "symbols": "var(--c7)",
    "other": "var(--c8)",
}
_SHARES = {"each bundle by itself": "var(--c8)", "each layer once": "var(--c1)", "each file once": "var(--c4)"}


def size_figures(report: FootprintReport) -> tuple[Figure, ...]:
    """Return the download and the installed size of every target, split by layer."""
    return (
        _size_figure("download", [(bundle.download, bundle) for bundle in report.bundles]),
        _size_figure("installed", [(bundle.installed, bundle) for bundle in report.bundles]),
    )


def file_figures(report: FootprintReport) -> tuple[Figure, ...]:
    """Return the largest files of all layers, each once."""
    largest = sorted(each_once(report), key=lambda item: (-item[1].size, item[1].path))[:_LARGEST_FILES]
    rows = [stacked(file.path, bytes_text(file.size), [(layer.role, file.size)]) for layer, file in largest]
    if not rows:
        return ()
    text = f"The {counted(len(rows), 'largest file')} of all layers, by the kind of layer that has them."
    return (bars("files", "Largest files and libraries", text, rows=rows, colours=_ROLES, is_wide=True),)


def section_figures(report: FootprintReport) -> tuple[Figure, ...]:
    """Return what the largest ELF files consist of, and GPU code by architecture where there is any."""
    binaries = [file for _, file in each_once(report) if file.sections is not None]
    largest = sorted(binaries, key=lambda file: (-file.size, file.path))[:_LARGEST_BINARIES]
    rows = [stacked(file.path, bytes_text(file.size), _sections(file)) for file in largest]
    found = []
    if rows:
        text = f"What the {counted(len(rows), 'largest ELF file')} consist of."
        found.append(bars("sections", "Inside the largest binaries", text, rows=rows, colours=_SECTIONS))
    gpu: Counter[str] = Counter()
    for file in binaries:
        gpu.update(file.sections.gpu if file.sections else {})
    if total := gpu.total():
        rows = [
            stacked(
                name or "between the pieces", f"{bytes_text(size)}, {share_text(size, total)}", [("GPU code", size)]
            )
            for name, size in ((name, gpu[name]) for name in (*sorted_architectures(filter(None, gpu)), ""))
            if name or size > total * _WORTH_A_BAR
        ]
        text = f"{bytes_text(total)} of GPU code in all layers, each once, by the architecture that it is for."
        found.append(bars("gpu", "GPU code by architecture", text, rows=rows, colours=_SECTIONS))
    return tuple(found)


def sharing_figures(report: FootprintReport) -> tuple[Figure, ...]:
    """Return what all bundles cost together, for each scope."""
    found = []
    for one in report.sharing:
        whole = f"{counted(one.bundles, 'bundle')} of this report" + (
            " and of what they are compared with" if one.scope == "releases" else ""
        )
        rows = [
            _amount("download, each bundle by itself", one.naive.download, one.naive.download, "each bundle by itself"),
            _amount("download, each layer once", one.by_layer.download, one.naive.download, "each layer once"),
            _amount(
                "installed, each bundle by itself", one.naive.installed, one.naive.installed, "each bundle by itself"
            ),
            _amount("installed, each layer once", one.by_layer.installed, one.naive.installed, "each layer once"),
            _amount("installed, each file once", one.by_file, one.naive.installed, "each file once"),
        ]
        title = "Shared across targets" if one.scope == "targets" else "Shared across releases"
        found.append(bars(f"sharing-{one.scope}", title, f"What {whole} cost together.", rows=rows, colours=_SHARES))
    return tuple(found)


def _amount(label: str, size: int, whole: int, name: str) -> Row:
    share = "" if size == whole else f", {share_text(size, whole)}"
    return stacked(label, f"{bytes_text(size)}{share}", [(name, size)])


def each_once(report: FootprintReport) -> Iterable[tuple[LayerFootprint, FileFootprint]]:
    """Return the files of all layers with a layer that has them; the same bytes once."""
    found: dict[str, tuple[LayerFootprint, FileFootprint]] = {}
    for layer in report.layers:
        for file in layer.files:
            if file.sha256 is not None:
                found.setdefault(file.sha256, (layer, file))
    return found.values()


def _size_figure(name: Literal["download", "installed"], sizes: Sequence[tuple[int, BundleFootprint]]) -> Figure:
    rows = [
        stacked(f"{bundle.target} {bundle.version}", bytes_text(size), _roles(bundle, name))
        for size, bundle in sorted(sizes, key=lambda item: (-item[0], item[1].target))
    ]
    title = name.capitalize()
    description = f"{title} of {counted(len(rows), 'bundle')}, largest first, split by layer."
    return bars(f"size-{name}", f"{title} by target and layer", description, rows=rows, colours=_ROLES)


def _roles(bundle: BundleFootprint, name: Literal["download", "installed"]) -> list[tuple[str, float]]:
    """Return the sizes of a bundle's layers by role; what a download has besides is its card."""
    carried = name == "download"
    sizes: list[tuple[str, float]] = [
        (layer.role, getattr(layer, name))
        for layer in bundle.layers
        if not layer.optional or (carried and layer.role == "miniforge")
    ]
    rest = bundle.download - sum(size for _, size in sizes)
    return [*sizes, ("card", rest)] if carried and rest > bundle.download * _WORTH_A_BAR else sizes


def _sections(file: FileFootprint) -> list[tuple[str, float]]:
    sizes = file.sections
    if sizes is None:
        return []
    return [
        ("code", sizes.text),
        ("constants", sizes.rodata),
        ("data", sizes.data),
        ("GPU code", sizes.gpu_bytes),
        ("debug", sizes.debug),
        ("symbols", sizes.symbols),
        ("other", sizes.other),
    ]
