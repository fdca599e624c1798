"""Which indexes uv is told to ask when an environment is locked."""

from __future__ import annotations

import os

import pytest

from pipeline.app.locking import BUILTIN, lock_tools
from pipeline.app.settings import Flags, load_settings
from pipeline.errors import HostError
from pipeline.system.processes import ProcessRunner
from tests.simulators.pip_absent import WithoutPip

OWN = "https://own.example/simple"
OTHER = "https://other.example/simple"


@pytest.fixture
def told(tmp_path):
    """Return what uv is told of indexes; pip knows what is in ``pip.conf``, uv what is in ``uv.toml``."""
    (tmp_path / "pip.conf").touch()
    (tmp_path / "uv.toml").touch()

    def of_uv(commands=None, **variables):
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "PIP_CONFIG_FILE": str(tmp_path / "pip.conf"),
            "UV_CONFIG_FILE": str(tmp_path / "uv.toml"),
            **variables,
        }
        settings = load_settings(Flags(cache_dir=tmp_path / "cache"), environment)
        tools = lock_tools(settings, conda=BUILTIN, commands=commands or WithoutPip(), environment=environment)
        assert tools.environment["UV_NO_CONFIG"] == "1"
        return tools.environment.get("UV_DEFAULT_INDEX"), tools.environment["UV_INDEX"]

    return of_uv


@pytest.mark.parametrize("variable", ["UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"])
def test_a_default_index_that_is_named_is_kept_without_pip(told, variable):
    assert told(**{variable: OWN}) == (OWN, "")


@pytest.mark.parametrize("variable", ["UV_EXTRA_INDEX_URL", "PIP_EXTRA_INDEX_URL"])
def test_an_extra_index_that_is_named_is_kept_without_pip(told, variable):
    assert told(**{variable: OWN}) == (None, OWN)


def test_the_indexes_of_uvs_own_file_are_kept_without_pip(told, tmp_path):
    (tmp_path / "uv.toml").write_text(
        f'extra-index-url = ["{OTHER}"]\n[[index]]\nname = "own"\nurl = "{OWN}"\ndefault = true\n'
    )
    assert told() == (f"own={OWN}", OTHER)


def test_where_nothing_is_named_and_no_pip_is_there_uv_takes_its_default_and_pip_is_looked_for_once(told):
    commands = WithoutPip()
    assert told(commands) == (None, "")
    assert commands.started == 1


@pytest.mark.parametrize("variables", [{}, {"UV_DEFAULT_INDEX": OWN}, {"UV_EXTRA_INDEX_URL": OWN}])
def test_a_pip_that_cannot_read_its_file_is_an_error_and_no_public_index_is_asked_in_its_place(
    told, tmp_path, variables
):
    (tmp_path / "pip.conf").write_text(f"index-url = {OTHER}\n")
    with pytest.raises(HostError, match=r"pip\.conf"):
        told(ProcessRunner(), **variables)


def test_pips_own_file_counts(told, tmp_path):
    (tmp_path / "pip.conf").write_text(f"[global]\nindex-url = {OWN}\nextra-index-url = {OTHER}\n")
    assert told(ProcessRunner()) == (OWN, OTHER)
