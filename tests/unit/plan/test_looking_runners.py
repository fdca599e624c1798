from __future__ import annotations

import pytest

from pipeline.model.host import Tool
from pipeline.model.toolchain import Runner
from pipeline.names import parse_target
from pipeline.plan import BuildRequest
from pipeline.plan.looking_runners import find_runner, find_runners
from tests.simulators.engine_world import FixedHost

ARM = parse_target("llama.cpp/linux-arm64-cpu")
MACOS = parse_target("llama.cpp/macos-arm64-cpu")


class Having(FixedHost):
    """A host with some programs."""

    def __init__(self, *names):
        super().__init__()
        self._names = names

    def tool(self, name, *, minimum=None):
        return Tool(name=name, path=f"/opt/{name}", version="7.2") if name in self._names else None


@pytest.fixture
def runner(tmp_path):
    return Runner(
        title="emulator",
        hosts=("linux-x86_64",),
        programs=("first", "second"),
        folders=(str(tmp_path / "absent"), str(tmp_path)),
        args=("-L", "{folder}"),
        environment={"HOME_OF": "{work}"},
        install="apt install emulator",
    )


def test_the_first_program_and_folder_that_are_there_are_taken(runner, tmp_path):
    found = find_runner(runner, Having("second"))
    assert (found.title, found.argv) == ("emulator 7.2", ("/opt/second", "-L", str(tmp_path)))


def test_what_is_lacking_is_said_with_what_to_install(runner):
    assert find_runner(runner, Having()) == (
        "it needs emulator to be run here, and there is none (apt install emulator)"
    )
    bare = runner.model_copy(update={"folders": ("/absent",)})
    assert "/absent, which is not here (apt install emulator)" in find_runner(bare, Having("first"))


def test_only_for_what_a_toolchain_builds_and_something_runs_is_a_runner_looked_for(catalog):
    found, lacking = find_runners(BuildRequest((ARM, MACOS), source="build"), catalog, Having())
    assert (found, list(lacking)) == ({}, [str(ARM)])
    assert find_runners(BuildRequest((ARM,), source="fetch"), catalog, Having()) == ({}, {})
    assert find_runners(BuildRequest((ARM,), prove="none"), catalog, Having()) == ({}, {})
