"""The commands over an installation, from publish to gc; what they do is tested below, here is what they say."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

TARGET = "llama.cpp/linux-x86_64-cpu"


@pytest.fixture
def published(user, world):
    user.ok(
        "publish",
        "--allow-development",
        "--from",
        world.folder / "dist",
        "--to",
        world.repository,
        "--keys",
        world.keys_dir,
    )
    return world


@pytest.fixture
def installed(user, published, root):
    user.ok(
        "install", "--from", published.repository, "--root", root, "--trusted-root", published.keys_dir / "root.json"
    )
    return root


@pytest.fixture
def updated(user, published, installed):
    published.build("2")
    user.ok(
        "publish",
        "--allow-development",
        "--from",
        published.folder / "dist",
        "--to",
        published.repository,
        "--keys",
        published.keys_dir,
    )
    user.ok("install", TARGET, "--from", published.repository, "--root", installed)
    return installed


def test_publish_names_what_it_added_and_the_next_command(user, world):
    out = user.ok(
        "publish",
        "--allow-development",
        "--from",
        world.folder / "dist",
        "--to",
        world.repository,
        "--keys",
        world.keys_dir,
    )
    assert f"added      {TARGET} 1" in out
    assert "development keys" in user.err
    assert f"install --from {world.repository}" in user.err


def test_publish_says_what_it_would_add_and_writes_nothing(user, world):
    out = user.ok(
        "publish",
        "--allow-development",
        "--from",
        world.folder / "dist",
        "--to",
        world.repository,
        "--keys",
        world.keys_dir,
        "-n",
    )
    assert f"would add  {TARGET} 1" in out
    assert not world.repository.exists()


def test_publish_without_a_dist_folder_exits_2(user, world):
    assert (
        user.run(
            "publish", "--allow-development", "--from", "nowhere", "--to", world.repository, "--keys", world.keys_dir
        )
        == 2
    )
    assert "nowhere" in user.err


def test_publish_judges_the_dist_folder_before_it_asks_for_keys(user, world):
    assert (
        user.run("publish", "--allow-development", "--from", "nowhere", "--to", world.repository, "--keys", "no-keys")
        == 2
    )
    assert "nowhere has no manifest.json" in user.err
    assert user.run("publish", "--allow-development", "--to", world.repository, "--keys", "no-keys") == 2
    assert "--from DIR" in user.err.partition("next:")[2], "the bundles may be where `build --output` put them"


def test_publish_without_keys_says_so_in_plain_words(user, world):
    assert (
        user.run(
            "publish",
            "--allow-development",
            "--from",
            world.folder / "dist",
            "--to",
            world.repository,
            "--keys",
            "no-keys",
        )
        == 2
    )
    assert "no-keys is no key folder" in user.err
    assert "Errno" not in user.err


def test_install_names_the_programs_and_does_nothing_twice(user, published, root):
    arguments = ("install", "--from", published.repository, "--root", root, "--trusted-root")
    out = user.ok(*arguments, published.keys_dir / "root.json")
    program = next(line for line in out.splitlines() if line.startswith("llama-server: "))
    assert os.access(program.partition(": ")[2], os.X_OK)
    assert user.ok(*arguments, published.keys_dir / "root.json") == f"{TARGET} 1 is installed already\n"


def test_install_dry_run_downloads_nothing(user, published, root):
    out = user.ok(
        "install",
        "--from",
        published.repository,
        "--root",
        root,
        "-n",
        "--trusted-root",
        published.keys_dir / "root.json",
    )
    assert out.startswith(f"would install {TARGET} 1\n2 of 2 layers to download")
    assert not list(root.rglob("llama-server"))


def test_an_update_trusts_what_the_installation_has_pinned(user, updated):
    assert "before: 1" in user.out


def test_install_without_any_trusted_root_exits_8(user, published, root):
    assert user.run("install", "--from", published.repository, "--root", root) == 8
    assert "--trusted-root" in user.err


def test_install_from_the_users_own_keys_warns(user, world, root):
    user.ok("keys", "init", "--no-passphrase")
    user.ok("publish", "--allow-development", "--from", world.folder / "dist", "--to", "repository")
    user.ok("install", "--from", "repository", "--root", root)
    assert "your own development keys" in user.err


def test_install_says_why_it_chose_the_variant(user, published, root):
    out = user.ok(
        "install", "--from", published.repository, "--root", root, "--trusted-root", published.keys_dir / "root.json"
    )
    assert "chosen for this machine: it alone fits" in out.splitlines()


def test_install_from_a_file_downloads_nothing_even_offline(user, published, root):
    bundle = next((published.folder / "dist").glob("*.tar.zst"))
    trusted = ("--trusted-root", published.keys_dir / "root.json")
    arguments = (
        "install",
        "--from",
        published.repository,
        "--root",
        root,
        *trusted,
        "--from-file",
        bundle,
        "--offline",
    )
    assert "0 of 2 layers downloaded, 0 bytes; 2 from files" in user.ok(*arguments)
    assert user.json("install", "--root", root, "--from-file", bundle)["changed"] is False


def test_install_from_a_file_that_nobody_signed_exits_7(user, published, root):
    Path("other.tar.zst").write_bytes(b"something else")
    trusted = ("--trusted-root", published.keys_dir / "root.json")
    arguments = ("install", "--from", published.repository, "--root", root, *trusted, "--from-file", "other.tar.zst")
    assert user.run(*arguments) == 7
    assert "other.tar.zst is nothing that the signed manifest names" in user.err


def test_install_with_a_required_accelerator_exits_10_where_only_the_processor_is_served(user, published, root):
    trusted = ("--trusted-root", published.keys_dir / "root.json")
    arguments = ("install", "--from", published.repository, "--root", root, *trusted, "--require-accel", "--json")
    assert user.run(*arguments) == 10
    assert '"class": "NoAcceleratorError"' in user.out


def test_install_without_a_repository_or_a_file_exits_2(user, root):
    assert user.run("install", "--root", root) == 2
    assert "--from" in user.err


def test_install_without_a_root_exits_2(user, published):
    assert user.run("install", "--from", published.repository) == 2
    assert "--root" in user.err


def test_install_into_a_folder_with_other_files_leaves_it_alone(user, published, root):
    root.mkdir()
    (root / "letter.txt").write_text("dear")
    arguments = ("--from", published.repository, "--root", root, "--trusted-root", published.keys_dir / "root.json")
    assert user.run("install", *arguments) == 2
    assert [path.name for path in root.iterdir()] == ["letter.txt"]


def test_list_marks_the_current_generation(user, updated):
    lines = user.ok("list", "--root", updated).splitlines()
    assert lines[0].split() == ["target", "version", "generation", "installed", "path"]
    assert [line.startswith("*") for line in lines[1:]] == [True, False]
    assert [generation["version"] for generation in user.json("list", "--root", updated)["generations"]] == ["2", "1"]


def test_the_root_may_come_from_the_environment_or_the_project_file(user, installed, monkeypatch):
    Path("pipeline.toml").write_text(f'root = "{installed}"\n')
    assert "linux-x86_64-cpu" in user.ok("list")
    Path("pipeline.toml").unlink()
    monkeypatch.setenv("ENGINE_PIPELINE_ROOT", str(installed))
    assert "linux-x86_64-cpu" in user.ok("list")


def test_rollback_and_use_say_what_runs_now_and_what_ran_before(user, updated):
    assert user.ok("rollback", "--root", updated).startswith(
        "llama.cpp 1 (generation 1) is current; before: 2 (generation 2)\n"
    )
    assert user.ok("use", "2", "--root", updated).startswith("llama.cpp 2 (generation 2) is current; before: 1")
    assert user.ok("use", "2", "--root", updated) == "llama.cpp 2 is current already\n"


@pytest.mark.parametrize("command", [["rollback"], ["use", "1"], ["uninstall"], ["gc"]])
def test_a_folder_that_is_no_installation_is_left_alone(user, command, tmp_path):
    folder = tmp_path / "other"
    folder.mkdir()
    assert user.run(*command, "--root", folder) == 2
    assert list(folder.iterdir()) == []


def test_uninstall_says_first_what_it_would_remove(user, installed):
    assert "would remove generation llama.cpp/1" in user.ok("uninstall", "--root", installed, "--dry-run")
    assert "linux-x86_64-cpu" in user.ok("list", "--root", installed)
    assert "removed generation llama.cpp/1" in user.ok("uninstall", "--root", installed)
    assert user.ok("list", "--root", installed) == "nothing is installed\n"


def test_gc_with_nothing_to_do_says_so(user, installed):
    user.ok("gc", "--root", installed)
    assert user.ok("gc", "--root", installed) == "nothing to remove\n"


def test_verify_counts_four_states_and_names_each_file_that_is_not_verified(user, installed):
    assert ", 0 changed, 0 missing, 0 unexpected; " in user.ok("verify", installed)
    library = next((installed / "layers").rglob("libggml-cpu.so"))
    library.chmod(0o644)
    library.write_bytes(b"other")
    assert user.run("verify", installed) == 7
    assert "changed" in user.out
    assert "libggml-cpu.so" in user.out
    assert "\nerror: " in user.err


def test_verify_says_how_much_there_is_in_which_state_and_folder(user, installed):
    report = user.json("verify", installed)
    states, folders = report["by_state"], report["by_folder"]
    assert set(states) == {"verified", "changed", "missing", "unexpected"}
    assert set(folders) == {".", "current", "generations", "layers", "trust"}
    assert states["verified"]["files"] == report["verified"] == sum(total["files"] for total in folders.values())
    assert folders["layers"]["size_bytes"] == report["bytes_read"]  # hard links in generations are the same bytes
    assert report["bytes_per_second"] > 0
    out = user.ok("verify", installed)
    assert "layers" in out
    assert "/s)" in out
    assert "done    verify" in user.err


def test_verify_with_json_prints_the_report_alone(user, installed):
    next((installed / "layers").rglob("libggml-cpu.so")).unlink()
    assert user.run("verify", installed, "--json") == 7
    assert '"ok": false' in user.out
    assert '"error"' not in user.out


def test_verify_of_a_repository_says_whether_signatures_were_checked(user, published):
    assert "signatures NOT checked" in user.ok("verify", published.repository)
    trusted = ("--trusted-root", published.keys_dir / "root.json")
    assert "signatures verified" in user.ok("verify", published.repository, *trusted)


def test_verify_with_a_root_that_is_not_there_exits_2(user, published):
    assert user.run("verify", published.repository, "--trusted-root", "nowhere") == 2


def test_unpack_writes_what_an_install_would(user, world, tmp_path):
    bundle = next((world.folder / "dist").glob("*.tar.zst"))
    destination = tmp_path / "unpacked"
    assert user.ok("unpack", bundle, "--to", destination) == f"6 files in {destination}\n"
    assert str((destination / "lib" / "libllama.so").readlink()) == "libllama.so.0.1"


def test_unpack_into_a_folder_with_files_exits_2(user, world, tmp_path):
    bundle = next((world.folder / "dist").glob("*.tar.zst"))
    assert user.run("unpack", bundle, "--to", world.folder) == 2


def test_unpack_of_a_damaged_archive_exits_7_and_leaves_nothing(user, world, tmp_path):
    bundle = next((world.folder / "dist").glob("*.tar.zst"))
    bundle.write_bytes(bundle.read_bytes()[:-7])
    assert user.run("unpack", bundle, "--to", tmp_path / "unpacked") == 7
    assert not (tmp_path / "unpacked").exists()
    (tmp_path / "own").mkdir()
    assert user.run("unpack", bundle, "--to", tmp_path / "own") == 7
    assert list((tmp_path / "own").iterdir()) == []


def test_a_full_disk_exits_4(user, published, root, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10})())
    arguments = ("--from", published.repository, "--root", root, "--trusted-root", published.keys_dir / "root.json")
    assert user.run("install", *arguments) == 4
