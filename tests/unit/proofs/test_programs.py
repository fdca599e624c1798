"""Programs of a bundle, started: what is believed of them and what is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import HostError, ProofError
from pipeline.model.manifest import HealthCheck
from pipeline.proofs.programs import check_loads, clean_environment, find_program
from pipeline.system.processes import ProcessRunner

SAYS = '#!/bin/sh\n[ "$1" = --version ] && echo "built with gcc" && echo " version: b1 " && exit\n{devices}'
CPU = 'echo "load_backend: loaded CPU backend from /x"\n'
CHECK = HealthCheck(
    program="bin/server",
    version_args=("--version",),
    version_pattern=r"version: b1\b",
    device_program="bin/server",
    device_args=("--list",),
    expect_devices=("^CPU$",),
)


def bundle(folder: Path, text: str) -> Path:
    program = folder / "bundle/bin/server"
    program.parent.mkdir(parents=True)
    program.write_text(text)
    program.chmod(0o755)
    return folder / "bundle"


def check(folder: Path, text: str, **changes: object):
    root = bundle(folder, text)
    env = clean_environment(folder, {"PATH": "/usr/bin:/bin"})
    return check_loads(CHECK.model_copy(update=changes), root, commands=ProcessRunner(), env=env, cwd=folder)


def test_the_line_that_matches_is_the_version(tmp_path):
    found = check(tmp_path, SAYS.format(devices=CPU))
    assert (found.version, found.devices) == ("version: b1", ("CPU",))


def test_a_longer_version_is_another_one(tmp_path):
    with pytest.raises(
        ProofError, match=r"does not say the version that it must .*\n  built with gcc\n   ?version: b12"
    ):
        check(
            tmp_path, SAYS.format(devices=CPU).replace("version: b1 ", "version: b12"), version_pattern=r"version: b1\b"
        )


def test_a_program_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ProofError, match="the bundle has no bin/bench"):
        check(tmp_path, SAYS.format(devices=CPU), device_program="bin/bench")


def test_a_program_that_fails_is_quoted(tmp_path):
    with pytest.raises(ProofError, match=r"exit code 127:\n  error while loading shared libraries"):
        check(tmp_path, "#!/bin/sh\necho error while loading shared libraries\nexit 127\n")


def test_a_program_that_meets_an_illegal_instruction_says_so_and_what_to_do(tmp_path):
    with pytest.raises(ProofError, match=r"exit code -4 \(SIGILL: an instruction that this machine") as refused:
        check(tmp_path, "#!/bin/sh\necho loading\nkill -ILL $$\n")
    assert "another variant" in str(refused.value.hint)


def test_a_program_that_is_no_program_cannot_be_run(tmp_path):
    with pytest.raises(HostError, match="cannot run"):
        check(tmp_path, "\x7fELF nonsense")


def test_a_device_that_is_not_seen_is_named_with_those_that_are(tmp_path):
    with pytest.raises(ProofError, match=r"'\^CUDA' is promised, but the engine sees CPU"):
        check(tmp_path, SAYS.format(devices=CPU), expect_devices=("^CPU$", "^CUDA"))


def test_no_device_at_all_is_none(tmp_path):
    with pytest.raises(ProofError, match="sees none"):
        check(tmp_path, SAYS.format(devices="echo Available devices:\n"))


def test_programs_inherit_nothing_but_where_the_systems_are(tmp_path):
    env = clean_environment(tmp_path, {"PATH": "/bin", "LD_PRELOAD": "x", "HTTPS_PROXY": "p", "HOME": "/root"})
    assert env == {"PATH": "/bin", "HOME": str(tmp_path), "TMPDIR": str(tmp_path), "LC_ALL": "C.UTF-8"}


def test_a_folder_is_no_program(tmp_path):
    (tmp_path / "bin/server").mkdir(parents=True)
    with pytest.raises(ProofError):
        find_program(tmp_path, "bin/server")


@pytest.mark.parametrize(
    "change",
    [
        {"version_pattern": "("},
        {"expect_devices": ("CPU", "[")},
        {"server_args": ("--port", "{prot}")},
        {"program": "../bin/server"},
        {"device_program": "/bin/sh"},
        {"minimum_tokens": 0},
        {"minimum_tokens": 1 << 40},
        {"ready_timeout_seconds": 1 << 40},
        {"version_pattern": "x" * 501},
    ],
)
def test_a_check_that_makes_no_sense_is_refused(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        HealthCheck.model_validate({**CHECK.model_dump(), **change})
