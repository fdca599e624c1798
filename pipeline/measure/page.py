"""``report.html``: one file with its pictures and tables inside, and nothing from anywhere else."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pipeline.measure.size_figures import (
    file_figures,
    section_figures,
    sharing_figures,
    size_figures,
)
from pipeline.measure.tables import (
    bundle_table,
    change_table,
    duplicate_table,
    file_table,
    layer_table,
    program_table,
    section_table,
    shared_file_table,
    sharing_table,
    time_table,
    unstripped_table,
    update_table,
)
from pipeline.measure.time_figures import growth_figures, strategy_figures, time_figures
from pipeline.measure.update_views import delta_table, update_figures, update_glance, update_words
from pipeline.measure.wording import bytes_text, share_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from pydantic import JsonValue

    from pipeline.measure.figure import Figure
    from pipeline.measure.tables import Table
    from pipeline.model.footprint import FootprintReport
    from pipeline.ports import PictureMaker

TEMPLATE = "footprint.html.j2"
_ROWS = 25
_SVG_START = re.compile(r"<svg\b[^>]*?viewBox=\"([0-9. -]+)\"[^>]*>")


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the page.

    Attributes:
        name: of its anchor.
        title: heading.
        says: what it is about, and how to read it.
        figures: pictures.
        tables: below them.
    """

    name: str
    title: str
    says: str
    figures: tuple[Figure, ...]
    tables: tuple[Table, ...]


class _Part(NamedTuple):
    """How a section is made: its words, and what gives its pictures and tables."""

    name: str
    title: str
    says: str | Callable[[FootprintReport], str]
    figures: Callable[[FootprintReport], tuple[Figure, ...]]
    tables: tuple[Callable[[FootprintReport], Table], ...] = ()


_PARTS = (
    _Part(
        "sizes",
        "Size by target",
        "What a user of each target downloads and keeps. Download is the self-contained bundle, compressed; installed"
        " is the sum of its files. Debug files are not counted: nobody gets them unasked.",
        size_figures,
        (bundle_table, layer_table),
    ),
    _Part(
        "files",
        "Largest files",
        "Every file of every layer once, whoever shares it.",
        file_figures,
        (file_table,),
    ),
    _Part(
        "inside",
        "Inside the binaries",
        "Code and constants are what runs; debug and symbols are what only debuggers read; GPU code is there once for"
        " each architecture.",
        section_figures,
        (section_table, unstripped_table, program_table, duplicate_table),
    ),
    _Part(
        "shared",
        "What is shared",
        "A layer that several bundles have is published, mirrored and installed once. Each file once is what a store"
        " of single files would come to: what the sharing of layers leaves.",
        sharing_figures,
        (sharing_table, shared_file_table),
    ),
    _Part(
        "updates",
        "Updates",
        update_words,
        update_figures,
        (delta_table, update_table, change_table),
    ),
    _Part(
        "growth",
        "Growth over releases",
        "Sizes of all versions that are there, the oldest on the left.",
        growth_figures,
    ),
    _Part(
        "times",
        "Time by step",
        "When each step of a build began and how long it took, one after the other. Steps whose results were there"
        " already are left out.",
        time_figures,
        (time_table,),
    ),
    _Part(
        "strategies",
        "Time to the first token",
        "From nothing to the first token that is generated, by the way in which the engine comes. Bringing a model is"
        " not counted. What was measured is the median of several runs, with the fastest and the slowest. A forecast"
        " was computed and not run; its range is by the error of what computed it.",
        strategy_figures,
    ),
)


def sections(report: FootprintReport) -> tuple[Section, ...]:
    """Return the parts of a page that have something to say."""
    found = []
    for part in _PARTS:
        tables = tuple(table.shortened(_ROWS) for made in part.tables if (table := made(report)).rows)
        figures = part.figures(report)
        if figures or tables:
            says = part.says if isinstance(part.says, str) else part.says(report)
            found.append(Section(part.name, part.title, says, figures, tables))
    return tuple(found)


def page(report: FootprintReport, pictures: PictureMaker, *, templates_dir: Path) -> str:
    """Return the page; the same report gives the same bytes.

    Args:
        report: everything it says.
        pictures: draws.
        templates_dir: has ``footprint.html.j2``.
    """
    environment = Environment(
        loader=FileSystemLoader(templates_dir),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(TEMPLATE).render(
        report=report,
        glance=glance(report),
        sections=sections(report),
        rehearsal=any(bundle.rehearsal for bundle in report.bundles),
        drawn=lambda figure: _drawn(figure, pictures),
    )


def glance(report: FootprintReport) -> tuple[tuple[str, str, str], ...]:
    """Return the figures that come first: (what, figure, beside it)."""
    smallest = min(report.bundles, key=lambda bundle: (bundle.download, bundle.target))
    largest = max(report.bundles, key=lambda bundle: (bundle.download, bundle.target))
    shared = report.sharing[0]
    found = [
        ("smallest download", bytes_text(smallest.download), smallest.target),
        ("largest download", bytes_text(largest.download), largest.target),
    ]
    if shared.bundles > 1:
        saved = share_text(shared.naive.installed - shared.by_layer.installed, shared.naive.installed)
        beside = f"of {bytes_text(shared.naive.installed)} installed; sharing layers saves {saved}"
        found.append((f"all {shared.bundles} bundles", bytes_text(shared.by_layer.installed), beside))
    if report.comparisons:
        found.append(update_glance(report))
    return tuple(found)


def _drawn(figure: Figure, pictures: PictureMaker) -> Sequence[tuple[str, Markup]]:
    """Return a figure's pictures: (class, svg)."""
    if figure.narrow is None:
        return (("any", _svg(figure, figure.picture, pictures, "any")),)
    return (
        ("wide", _svg(figure, figure.picture, pictures, "wide")),
        ("narrow", _svg(figure, figure.narrow, pictures, "narrow")),
    )


def _svg(figure: Figure, picture: Mapping[str, JsonValue], pictures: PictureMaker, form: str) -> Markup:
    """Return a picture that scales, and that says what it shows to who cannot see it."""
    drawn = pictures.svg(picture)
    match = _SVG_START.match(drawn)
    if match is None:
        raise ValueError("a picture has no view box")
    name = f"{figure.name}-{form}"
    start = Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="{0}" role="img" aria-labelledby="{1}-title {1}-desc">'
        '<title id="{1}-title">{2}</title><desc id="{1}-desc">{3}</desc>'
    ).format(match[1], name, figure.title, figure.description)
    return start + Markup(drawn[match.end() :])  # noqa: S704 - the picture maker's own, which escapes its texts
