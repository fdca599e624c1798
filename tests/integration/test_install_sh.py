"""install.sh, really run: under three shells, with a PATH of nothing but the tools that it needs."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess

import pytest

from pipeline.deploy.generations import list_generations, rollback, use
from pipeline.deploy.layout import Layout
from pipeline.deploy.removal import gc
from pipeline.deploy.verify import verify
from pipeline.model.manifest_document import read_manifest
from tests.simulators.engine_world import CPU, ENGINE, LayerFiles, World, core
from tests.simulators.mounts import MOUNT, mounted
from tests.simulators.shell_installer import SHELLS, TOOLS, ShellInstaller, health_of, revocation

pytestmark = pytest.mark.skipif(
    shutil.which("dash") is None or shutil.which("busybox") is None,
    reason="needs dash and busybox, which .ci/run installs",
)
SHA_TOOLS = ("sha256sum", "shasum", "openssl", "busybox")


@pytest.fixture
def world(tmp_path) -> World:
    made = World(tmp_path)
    made.build("b1", health=health_of("b1"))
    made.publish()
    return made


@pytest.fixture
def machine(world) -> ShellInstaller:
    made = ShellInstaller(world, world.folder / "out put", world.folder / 'a root\'s "place" \\ é')
    made.generate()
    return made


def findings(machine: ShellInstaller) -> list[str]:
    """Return what the program's own verify finds wrong; all of it must have been looked at."""
    report = verify(machine.root, machine.world.services(), disk=machine.world.disk, trusted_root=None)
    assert report.verified > 10
    return [f"{found.path} {found.state} {found.detail}" for found in report.findings]


def next_version(machine: ShellInstaller, version: str, *, only: bool = True, **choices: object) -> None:
    machine.world.build(version, health=health_of(version), **choices)
    machine.world.publish()
    machine.generate(*([version] if only else []))


@pytest.mark.parametrize("shell", SHELLS)
def test_it_installs_updates_and_goes_back_in_every_shell(machine, shell):
    machine.shell = shell
    out = machine.ok("--from", machine.folder)
    assert out == f"llama-server\t{machine.root}/generations/{ENGINE}/1/tree/bin/llama-server\n"
    assert machine.runs() == "core b1"
    assert findings(machine) == []
    next_version(machine, "b2")
    code, _, err = machine.run("--from", machine.folder)
    assert (code, [line for line in err.splitlines() if "works" in line]) == (0, ["works here: core b2"])
    assert machine.runs() == "core b2"
    machine.ok("--rollback")
    assert machine.runs() == "core b1"
    assert findings(machine) == []
    assert machine.ok("--uninstall") == f"removed: {ENGINE}\n"
    assert not list(machine.root.rglob("llama-server"))


def test_busybox_alone_is_enough(machine):
    machine.shell = "busybox ash"
    machine.busybox_tools = machine.tools
    machine.ok("--from", machine.folder)
    assert machine.runs() == "core b1"
    assert findings(machine) == []


@pytest.mark.parametrize("tool", SHA_TOOLS)
def test_any_one_of_the_digest_tools_is_enough(machine, tool):
    machine.tools = (*TOOLS, "flock", tool, *(("perl",) if tool == "shasum" else ()))
    machine.ok("--from", machine.folder)
    assert findings(machine) == []


def test_without_a_tool_to_check_with_nothing_is_installed(machine):
    machine.tools = (*TOOLS, "flock")
    code, err = machine.fails("--from", machine.folder)
    assert code == 5
    assert "sha256" in err
    assert not machine.root.exists()


def test_a_digest_tool_that_says_the_same_of_everything_is_none(machine, tmp_path):
    path = machine.path()
    (path / "sha256sum").unlink()
    (path / "sha256sum").write_text(f"#!/bin/sh\necho {'0' * 64}  -\n")
    (path / "sha256sum").chmod(0o755)
    code, _ = machine.fails("--from", machine.folder, path=path)
    assert code == 5


@pytest.mark.parametrize("missing", ["tar", "gzip", "find", "mv"])
def test_a_tool_that_is_missing_is_named(machine, missing):
    machine.tools = tuple(tool for tool in machine.tools if tool != missing)
    code, err = machine.fails("--from", machine.folder)
    assert code == 5
    assert f"no {missing}" in err


def test_with_zstd_the_layers_of_the_repository_are_enough(machine):
    machine.tools = (*machine.tools, "zstd")
    machine.ok("--from", machine.world.repository)
    assert findings(machine) == []


def test_without_zstd_the_layers_of_the_repository_are_not_available(machine):
    code, err = machine.fails("--from", machine.world.repository)
    assert code == 12
    assert ".tar.gz" in err
    assert not Layout(machine.root).engines()


def test_it_finds_the_archives_below_installer_of_a_mirror(machine, tmp_path):
    shutil.copytree(machine.folder, tmp_path / "mirror" / "installer")
    machine.ok("--from", tmp_path / "mirror")
    assert machine.runs() == "core b1"


def test_what_is_installed_already_stays_as_it_is(machine):
    machine.ok("--from", machine.folder)
    before = sorted((path, path.lstat().st_mtime_ns) for path in machine.root.rglob("*") if path.is_file())
    out = machine.ok("--from", machine.folder)
    assert "generations/llama.cpp/1/tree" in out
    assert sorted((path, path.lstat().st_mtime_ns) for path in machine.root.rglob("*") if path.is_file()) == before


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_modes_are_those_of_the_list_whatever_the_umask(machine, umask):
    previous = os.umask(umask)
    try:
        machine.ok("--from", machine.folder)
    finally:
        os.umask(previous)
    tree = machine.root / "generations" / ENGINE / "1" / "tree"
    modes = {path.relative_to(tree).as_posix(): stat.S_IMODE(path.lstat().st_mode) for path in tree.rglob("*")}
    assert modes["bin/llama-server"] == 0o755
    assert modes["lib/libllama.so.0.1"] == 0o644
    assert modes["bin"] == 0o755
    assert (tree / "lib" / "libllama.so").readlink().as_posix() == "libllama.so.0.1"


def test_files_share_their_bytes_with_the_layers_and_are_copied_where_links_are_refused(machine):
    machine.ok("--from", machine.folder)
    program = machine.root / "generations" / ENGINE / "1" / "tree" / "bin" / "llama-server"
    assert program.stat().st_nlink == 2
    path = machine.path()
    (path / "ln").unlink()
    (path / "ln").write_text('#!/bin/sh\n[ "$1" = -s ] || exit 1\nexec /bin/ln "$@"\n')
    (path / "ln").chmod(0o755)
    machine.root = machine.world.folder / "copied"
    machine.ok("--from", machine.folder, path=path)
    assert (machine.root / program.relative_to(program.parents[5])).stat().st_nlink == 1
    assert findings(machine) == []


@pytest.mark.parametrize("bare", [False, True], ids=["gnu", "busybox"])
def test_names_with_odd_characters_are_installed_as_they_are(machine, bare):
    machine.busybox_tools = machine.tools if bare else ()
    odd = LayerFiles(
        "odd", {"share/-n": b"dash\n", "share/a b's $(id) `x`; & [é]{a,b}~#!": b"odd\n", "share/$HOME": "-n"}
    )
    next_version(machine, "b2", layers=(core("b2"), CPU, odd))
    machine.ok("--from", machine.folder)
    assert findings(machine) == []
    assert (machine.root / "generations" / ENGINE / "1" / "tree" / "share" / "-n").read_bytes() == b"dash\n"
    next_version(machine, "b3")
    machine.ok("--from", machine.folder)
    machine.ok("--rollback")  # reads the lists again
    assert machine.runs() == "core b2"


def test_the_program_goes_on_with_what_the_script_installed(machine):
    machine.ok("--from", machine.folder)
    world = machine.world
    kept = world.install(root=machine.root)
    assert not kept.changed
    next_version(machine, "b2")
    assert world.install(root=machine.root).version == "b2"
    assert rollback(machine.root, services=world.services(), disk=world.disk).version == "b1"
    assert use(machine.root, "b2", services=world.services(), disk=world.disk).changed
    gc(machine.root, services=world.services(), disk=world.disk)
    assert machine.runs() == "core b2"
    assert findings(machine) == []


def test_the_script_goes_on_with_what_the_program_installed(machine):
    machine.world.install(root=machine.root)
    assert "already installed" in machine.run("--from", machine.folder)[2]
    next_version(machine, "b2")
    machine.ok("--from", machine.folder)
    assert machine.runs() == "core b2"
    machine.ok("--rollback")
    assert [(g.version, g.current) for g in list_generations(machine.root)] == [("b2", False), ("b1", True)]
    assert findings(machine) == []


def test_records_are_the_very_bytes_that_the_program_writes(machine):
    machine.world.install(root=machine.root)
    theirs = (machine.root / "generations" / ENGINE / "1" / "generation.json").read_text()
    pointer = (machine.root / "current" / f"{ENGINE}.json").read_bytes()
    machine.root = machine.world.folder / "another"
    machine.ok("--from", machine.folder)
    ours = (machine.root / "generations" / ENGINE / "1" / "generation.json").read_text()
    own = ('"installed_at"', '"source"', '"repository"')
    differing = [
        (a, b)
        for a, b in zip(theirs.splitlines(), ours.splitlines(), strict=True)
        if a != b and not a.strip().startswith(own)
    ]
    assert differing == []
    assert (machine.root / "current" / f"{ENGINE}.json").read_bytes() == pointer


def test_generations_beyond_those_to_keep_go_with_their_layers(machine):
    machine.ok("--from", machine.folder)
    for version in ("b2", "b3", "b4"):
        next_version(machine, version)
        machine.ok("--from", machine.folder)
    assert [g.version for g in list_generations(machine.root)] == ["b4", "b3", "b2"]
    assert len(Layout(machine.root).layer_digests()) == 4  # three cores and the backend that all share
    assert findings(machine) == []


def test_what_is_pinned_is_neither_left_nor_removed(machine):
    machine.ok("--from", machine.folder)
    world = machine.world
    use(machine.root, "b1", services=world.services(), disk=world.disk)
    pins = machine.root / "pins"
    (pins / f"{ENGINE}.json").write_text(
        f'{{\n  "engine": "{ENGINE}",\n  "schema_version": 1,\n  "version": "b1"\n}}\n'
    )
    next_version(machine, "b2")
    code, err = machine.fails("--from", machine.folder)
    assert code == 2
    assert "pinned to b1" in err
    assert machine.runs() == "core b1"


def test_a_program_that_says_another_version_is_not_switched_to(machine):
    machine.ok("--from", machine.folder)
    next_version(machine, "b2", layers=(core("b7"), CPU))
    code, err = machine.fails("--from", machine.folder)
    assert code == 10
    assert "core b7" in err
    assert machine.runs() == "core b1"
    assert findings(machine) == []
    assert machine.fails("--from", machine.folder)[0] == 10  # it is there, and is checked again
    machine.ok("--from", machine.folder, "--no-check-host")
    assert machine.runs() == "core b7"


def test_a_program_that_fails_is_not_switched_to(machine):
    broken = LayerFiles("core", {**core("b2").files, "bin/llama-server": b"#!/bin/sh\necho core b2\nexit 3\n"})
    machine.ok("--from", machine.folder)
    next_version(machine, "b2", layers=(broken, CPU))
    code, err = machine.fails("--from", machine.folder)
    assert code == 10
    assert "exit code 3" in err
    assert machine.runs() == "core b1"


@pytest.mark.parametrize("where", ["generation", "layer", "extra", "mode", "link"])
def test_damage_is_found_and_installed_anew(machine, where):
    machine.ok("--from", machine.folder)
    tree = machine.root / "generations" / ENGINE / "1" / "tree"
    if where == "layer":
        (machine.root / "layers" / Layout(machine.root).layer_digests()[0]).rename(machine.root / "gone")
        shutil.rmtree(machine.root / "gone")
    elif where == "extra":
        (tree / "lib" / "extra").write_bytes(b"x")
    elif where == "mode":
        (tree / "bin" / "llama-server").chmod(0o644)
    elif where == "link":
        (tree / "lib" / "libllama.so").unlink()
        (tree / "lib" / "libllama.so").symlink_to("../bin/llama-server")
    else:
        (tree / "bin" / "llama-server").write_bytes(b"#!/bin/sh\necho evil\n")
    code, out, err = machine.run("--from", machine.folder)
    assert (code, "damaged" in err) == (0, True)
    assert f"generations/{ENGINE}/2/" in out
    assert machine.runs() == "core b1"
    machine.world.install(root=machine.root, repair=True)
    assert findings(machine) == []


def test_going_back_reads_every_byte_first(machine):
    machine.ok("--from", machine.folder)
    next_version(machine, "b2")
    machine.ok("--from", machine.folder)
    library = machine.root / "generations" / ENGINE / "1" / "tree" / "lib" / "libllama.so.0.1"
    library.write_bytes(library.read_bytes()[:-1] + b"!")
    code, err = machine.fails("--rollback")
    assert code == 7
    assert "nothing was switched" in err
    assert machine.runs() == "core b2"


def test_going_back_checks_the_list_itself(machine):
    machine.ok("--from", machine.folder)
    next_version(machine, "b2")
    machine.ok("--from", machine.folder)
    layout = Layout(machine.root)
    generation = layout.generation(ENGINE, 1)
    listed = layout.layer_list_path(generation.artifact.layers[0].tree_sha256)
    listed.write_text(listed.read_text().replace('"mode": 420', '"mode": 493', 1))
    assert machine.fails("--rollback")[0] == 7


def test_there_is_nothing_to_go_back_to_at_first(machine):
    machine.ok("--from", machine.folder)
    assert machine.fails("--rollback")[0] == 3


def test_a_withdrawn_build_is_not_in_the_script_and_not_gone_back_to(machine):
    world = machine.world
    first = read_manifest((world.repository / "manifest.json").read_bytes()).artifacts[0]
    machine.ok("--from", machine.folder)
    world.build("b2", health=health_of("b2"))
    world.publish()
    outcome = machine.generate("b1", "b2", revoked=(revocation(first),))
    assert list(outcome.left_out) == [f"{first.target} b1"]
    machine.ok("--from", machine.folder)
    code, err = machine.fails("--rollback")
    assert code == 8
    assert "it loses data" in err
    assert machine.runs() == "core b2"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--nonsense"], 2),
        (["--keep", "many"], 2),
        (["--url", "ftp://127.0.0.1/x"], 2),
        (["--url", "https://user@127.0.0.1/x"], 2),
        (["--url", "http://127.0.0.1/x?y"], 2),
        (["--from", "/does/not/exist"], 2),
        (["--target"], 2),
        (["--target", "linux-x86_64-vulkan"], 2),
        (["--engine", "../x"], 2),
        (["--version", "b9"], 3),
        (["--uninstall"], 2),
        (["--rollback"], 2),
        ([], 12),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_made(machine, arguments, code):
    assert machine.fails(*arguments)[0] == code
    assert not machine.root.exists()


def test_a_folder_of_somebody_else_is_left_alone(machine):
    machine.root.mkdir()
    (machine.root / "diary").write_text("dear")
    assert machine.fails("--from", machine.folder)[0] == 2
    assert [path.name for path in machine.root.iterdir()] == ["diary"]


def test_a_newer_layout_is_not_touched(machine):
    machine.root.mkdir()
    (machine.root / "format.json").write_text('{\n  "format": "engine-pipeline install root",\n  "version": 2\n}\n')
    assert machine.fails("--from", machine.folder)[0] == 5
    assert [path.name for path in machine.root.iterdir()] == ["format.json"]


def test_a_dry_run_changes_nothing(machine):
    out = machine.ok("--from", machine.folder, "--dry-run")
    assert out.startswith("would install llama.cpp/linux-x86_64-cpu b1")
    assert not machine.root.exists()


def test_it_lists_what_it_has_and_what_is_installed(machine):
    machine.ok("--from", machine.folder)
    out = machine.ok("--list")
    assert "  llama.cpp/linux-x86_64-cpu  b1\n" in out
    assert "generation 1  (current)" in out


def test_help_needs_nothing(machine):
    machine.tools = ()
    assert machine.ok("--help").startswith("usage: install.sh")


def test_another_machine_than_those_it_is_made_for_is_an_error(machine):
    path = machine.path()
    (path / "uname").unlink()
    (path / "uname").write_text("#!/bin/sh\n[ $1 = -s ] && echo Plan9 || echo mips\n")
    (path / "uname").chmod(0o755)
    code, err = machine.fails("--from", machine.folder, path=path)
    assert code == 5
    assert "Plan9-mips" in err
    assert machine.fails("--from", machine.folder, "--target", "linux-x86_64-cpu", path=path)[0] == 5
    machine.ok("--from", machine.folder, "--target", "linux-x86_64-cpu", "--no-check-host", path=path)


def test_what_the_processor_lacks_is_said_and_an_accelerator_is_never_taken_for_it(machine):
    world = machine.world
    needs = read_manifest((world.repository / "manifest.json").read_bytes()).artifacts[0].requires
    world.build("b1", accel="avx2", requires=needs.model_copy(update={"cpu": ("flag-of-no-processor",)}))
    world.build("b1", accel="vulkan", layers=(core("b1"), CPU))
    world.publish()
    machine.generate()
    code, err = machine.fails("--from", machine.folder, "--target", "linux-x86_64-avx2")
    assert code == 5
    assert "flag-of-no-processor" in err
    _, _, err = machine.run("--from", machine.folder)
    assert "linux-x86_64-vulkan" in err
    assert list_generations(machine.root)[0].target == "llama.cpp/linux-x86_64-cpu"
    assert machine.fails("--from", machine.folder, "--target", "linux-x86_64-cuda-12.8")[0] == 2


def test_a_glibc_that_is_too_old_is_said(machine):
    world = machine.world
    needs = read_manifest((world.repository / "manifest.json").read_bytes()).artifacts[0].requires
    world.build("b2", requires=needs.model_copy(update={"glibc": "9.0"}))
    world.publish()
    machine.generate("b2")
    machine.tools = (*machine.tools, "getconf", "ldd")
    code, err = machine.fails("--from", machine.folder)
    assert code == 5
    assert "glibc 9.0" in err


def test_a_root_on_a_read_only_disk_is_an_error(machine, tmp_path):
    machine.ok("--from", machine.folder)
    next_version(machine, "b2")
    with mounted(tmp_path / "fixed", "--bind", str(machine.root)) as place:
        subprocess.run([MOUNT, "-o", "remount,bind,ro", place], check=True)
        machine.root = place
        code, err = machine.fails("--from", machine.folder)
    assert code == 5
    assert "cannot write" in err
