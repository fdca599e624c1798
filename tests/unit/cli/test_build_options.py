from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.app.services import build_services
from pipeline.app.settings import Flags, load_settings
from pipeline.cli.build_options import BuildOptions, make_request, with_mirrors
from pipeline.errors import UsageError


def asked(*from_mirror: str, **changes: object) -> BuildOptions:
    options = BuildOptions(
        targets=("*",),
        release=None,
        source="auto",
        prove=None,
        model=None,
        web_ui=None,
        cmake_options=(),
        base=None,
        toolchain="auto",
        toolkit="auto",
        architectures="release",
        wheels_only=False,
        with_miniforge=False,
        rehearsal=False,
        from_mirror=from_mirror,
    )
    return replace(options, **changes)


@pytest.fixture
def environment(tmp_path, monkeypatch) -> dict[str, str]:
    monkeypatch.chdir(tmp_path)
    return {"HOME": str(tmp_path)}


def test_mirrors_of_the_command_line_are_asked_first_in_order(tmp_path, environment):
    (tmp_path / "disk").mkdir()
    settings = load_settings(Flags(), {**environment, "ENGINE_PIPELINE_MIRROR": "https://configured.example"})
    found = with_mirrors(settings, asked("disk", "http://near.example/files"))
    assert found.mirrors == (str(tmp_path / "disk"), "http://near.example/files", "https://configured.example")
    assert with_mirrors(settings, asked()) == settings


def test_a_mirror_that_is_neither_url_nor_folder_is_refused(tmp_path, environment):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="--from-mirror file: there is no such folder"):
        with_mirrors(load_settings(Flags(), environment), asked("file"))


def test_configured_channels_reach_the_services(environment):
    said = "https://conda.example/forge=file:///media/forge"
    settings = load_settings(Flags(progress=False), {**environment, "ENGINE_PIPELINE_CHANNELS": said})
    with build_services(settings) as services:
        assert services.channels == {"https://conda.example/forge": "file:///media/forge"}


def test_a_rehearsal_is_of_everything_unless_something_is_named(catalog, environment):
    settings = load_settings(Flags(), environment)
    assert make_request(asked(targets=(), rehearsal=True), settings, catalog).targets == catalog.targets()
    with pytest.raises(UsageError, match="--target is missing"):
        make_request(asked(targets=()), settings, catalog)


@pytest.mark.parametrize("changes", [{"prove": "run"}, {"prove": "load"}, {"model": Path("model.gguf")}])
def test_a_rehearsal_proves_nothing(catalog, environment, changes):
    with pytest.raises(UsageError, match="proves nothing"):
        make_request(asked(rehearsal=True, **changes), load_settings(Flags(), environment), catalog)
