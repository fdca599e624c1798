"""The page and the summary: whole, safe, and made of nothing from elsewhere."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pipeline.measure.page import page, sections
from pipeline.measure.summary import LIMIT_BYTES, summary
from pipeline.model.footprint import FootprintReport, StrategyTime
from pipeline.model.layer_content import SectionSizes
from pipeline.model.updates import PublishedDelta
from pipeline.system.pictures import VegaPictures
from tests.simulators.footprints import Shelf, a_file, filled
from tests.unit.measure.test_footprint import CPU, a_time

TEMPLATES = Path(__file__).resolve().parents[3] / "manifests" / "templates" / "report"
HOSTILE = '<img src=x onerror=alert(1)>"&|`[a](b)'
VOID = {"meta", "link", "br", "hr", "img", "input"}


class Reader(HTMLParser):
    """Refuses what is not well formed, and keeps every attribute."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture(scope="module")
def pictures() -> VegaPictures:
    return VegaPictures()


@pytest.fixture(scope="module")
def report() -> FootprintReport:
    two_releases = filled(Shelf())
    binary = a_file("bin/big", "b" * 100, format="elf", mode="executable")
    sizes = SectionSizes(text=50, rodata=10, symbols=5, gpu={"sm_90": 30, "": 1}, other=4)
    cuda = two_releases.layer("cuda-13.0", {"bin/big": binary.model_copy(update={"sections": sizes})}, role="backend")
    two_releases.bundle("b10", cuda, accel="cuda-13.0")
    strategy = StrategyTime(
        target=CPU, version="b10", strategy="on demand", link="LAN", milliseconds=2500, least=2400, most=2600
    )
    return two_releases.report(times=[a_time("compile", CPU, milliseconds=1500)], strategies=[strategy])


@pytest.fixture(scope="module")
def text(report, pictures) -> str:
    """Return the page of a report that has every part."""
    return page(report, pictures, templates_dir=TEMPLATES)


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


def test_every_part_of_the_page_is_there_and_it_is_well_formed(report, text):
    reader = read(text)
    names = [one.name for one in sections(report)]
    assert names == ["sizes", "files", "inside", "shared", "updates", "growth", "times", "strategies"]
    ids = [value for _, name, value in reader.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert set(names) <= set(ids)
    assert {value[1:] for tag, name, value in reader.attributes if (tag, name) == ("a", "href")} == set(names)


def test_times_to_the_first_token_say_that_no_model_is_counted(report):
    says = {
        one.name: f"{one.says} {' '.join(figure.description for figure in one.figures)}" for one in sections(report)
    }
    assert says["strategies"].lower().count("bringing a model is not counted") == 2
    assert "by the error" in says["strategies"]


def test_a_dist_folder_says_that_it_has_no_deltas_to_measure(report, text):
    says = next(one for one in sections(report) if one.name == "updates")
    assert "A dist folder has no deltas to measure" in says.says
    assert all("a dist folder has no deltas" in figure.description for figure in says.figures)
    assert "on average; no deltas in a dist folder" in text
    assert "A dist folder has no deltas to measure" in summary(report)


def test_deltas_that_were_measured_are_in_words_picture_and_tables(pictures):
    report = filled(Shelf()).report(delta_of=lambda *_: PublishedDelta(20))
    part = next(one for one in sections(report) if one.name == "updates")
    assert "by the smallest delta" in part.says
    assert set(part.figures[0].legend) == {"by delta", "what deltas save", "what stays"}
    text = page(report, pictures, templates_dir=TEMPLATES)
    read(text)
    assert "of 121 B, on average, with deltas; 75 B without" in text
    for words in (text, summary(report)):
        assert "core 20 B (27%)" in words
        assert "no deltas in a dist folder" not in words


def test_nothing_comes_from_elsewhere_and_nothing_runs(text):
    reader = read(text)
    assert not {"script", "link", "iframe", "object", "image", "img", "use", "foreignobject"} & set(reader.tags)
    places = [value for _, name, value in reader.attributes if name in {"href", "src", "xlink:href", "action", "data"}]
    assert all(place.startswith("#") for place in places)
    assert not [name for _, name, _ in reader.attributes if name.startswith("on")]
    styles = "".join(reader.texts) + "".join(value for _, name, value in reader.attributes if name == "style")
    assert "url(" not in styles
    assert "@import" not in styles


def test_every_picture_is_xml_that_says_what_it_shows_and_takes_its_colours_from_the_page(text):
    drawn = re.findall(r"<svg\b.*?</svg>", text, re.DOTALL)
    assert len(drawn) == text.count("<svg")
    assert len(drawn) >= 10
    for picture in drawn:
        element = ET.fromstring(picture)  # noqa: S314 - our own page
        title, description = element[0], element[1]
        assert element.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
        assert (title.text or "").strip()
        assert (description.text or "").strip()
        fills = {child.get("fill") for child in element.iter() if child.get("fill") not in {None, "none"}}
        assert fills
        assert all(fill.startswith("var(--") for fill in fills)
    defined = set(re.findall(r"(--[a-z0-9]+):", text))
    assert set(re.findall(r"var\((--[a-z0-9]+)\)", text)) <= defined


def test_there_is_a_dark_form_of_every_colour_and_a_narrow_form_of_wide_pictures(text):
    light, dark = re.findall(r":root \{(.*?)\}", text, re.DOTALL)[:2]
    assert "prefers-color-scheme: dark" in text
    assert re.findall(r"--\w+", light) == re.findall(r"--\w+", dark)
    assert text.count('<div class="wide">') == text.count('<div class="narrow">') > 0


def test_names_of_others_are_text_and_never_markup(shelf, pictures):
    shelf.bundle("b1", shelf.layer("core", {HOSTILE: "x"}))
    report = shelf.report()
    reader = read(page(report, pictures, templates_dir=TEMPLATES))
    assert "img" not in reader.tags
    assert any(HOSTILE in text for text in reader.texts)
    assert "<img" not in re.sub(r"\\<img", "", summary(report))


def test_a_page_of_one_bundle_has_no_parts_that_say_nothing(shelf, pictures):
    shelf.bundle("b1", shelf.layer("core", {"a": "1"}))
    report = shelf.report()
    assert [one.name for one in sections(report)] == ["sizes", "files", "shared"]
    read(page(report, pictures, templates_dir=TEMPLATES))


def test_a_rehearsal_says_so(shelf, pictures):
    shelf.bundle("b1", shelf.layer("core", {"a": "1"}), rehearsal=True)
    report = shelf.report()
    assert "there is no engine in these bundles" in page(report, pictures, templates_dir=TEMPLATES)
    assert "there is no engine in these bundles" in summary(report)


def test_the_same_report_is_the_same_page(report, pictures, text):
    assert page(report, pictures, templates_dir=TEMPLATES) == text


def test_the_summary_has_the_figures_and_its_tables_are_tables(report):
    text = summary(report)
    assert text.startswith("### Footprint of release 2026.11.0\n")
    rows = [line for line in text.splitlines() if line.startswith("| llama.cpp/")]
    assert len(rows) == 3 + 2 + 2, "bundles, and both tables of updates of those that have one"
    tables = [block.splitlines() for block in re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE)]
    assert all(len({len(re.findall(r"(?<!\\)\|", line)) for line in table}) == 1 for table in tables)


def test_a_summary_of_very_much_stays_small(shelf):
    many = {f"lib/{'long-' * 40}{number}.so": str(number) for number in range(3000)}
    for number in range(300):
        layers = [shelf.layer(f"{'layer' * 10}{n}", {f"f{number}-{n}": "x" * n}) for n in range(1, 6)]
        shelf.bundle("b1", *layers, shelf.layer("core", many), accel=f"accelerator-{number}")
    assert len(summary(shelf.report()).encode()) <= LIMIT_BYTES
