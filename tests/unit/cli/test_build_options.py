from __future__ import annotations

import pytest

from pipeline.app.services import build_services
from pipeline.app.settings import Flags, load_settings
from pipeline.cli.build_options import BuildOptions, with_mirrors
from pipeline.errors import UsageError


def asked(*from_mirror: str) -> BuildOptions:
    return BuildOptions(
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
        from_mirror=from_mirror,
    )


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
