"""``generate installers`` as a user types it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulators.revoking import revoke


@pytest.fixture
def generate(world) -> tuple[object, ...]:
    world.publish()
    root = world.keys_dir / "root.json"
    return ("generate", "installers", "--from", world.repository, "--to", "out", "--trusted-root", root)


def test_a_dry_run_says_what_would_be_written_and_writes_nothing(user, generate):
    said = user.ok(*generate, "--dry-run")
    assert "would write  install.sh" in said
    assert "stale" not in said
    assert not Path("out").exists()
    assert "written  install.sh" in user.ok(*generate)
    assert "is fresh" in user.ok(*generate, "--dry-run")


def test_check_calls_a_changed_script_stale(user, generate):
    user.ok(*generate)
    Path("out/install.sh").write_text("exit 0")
    assert user.run(*generate, "--check") == 1
    assert "stale  install.sh" in user.out


def test_check_ends_with_1_when_the_last_build_is_revoked(user, world, generate):
    user.ok(*generate)
    revoke(world, "1")
    assert user.run(*generate, "--check") == 1
    assert "it computes wrongly" in user.err
    assert "next:  remove" in user.err
    assert user.run(*generate) == 3


def test_a_folder_that_is_not_there_is_named(user):
    assert user.run("generate", "installers", "--from", "nowhere", "--to", "out") == 2
    assert "there is no folder nowhere" in user.err
    assert not Path("out").exists()
