"""Environments are installed, checked and removed like any engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.deploy.generations import list_generations, rollback, use
from pipeline.deploy.health import HealthWish
from pipeline.deploy.install import install
from pipeline.deploy.layout import Layout
from pipeline.deploy.quick_switch import quick_switch
from pipeline.deploy.removal import gc, uninstall
from pipeline.deploy.switching import Switching
from pipeline.deploy.verify import verify
from pipeline.errors import HostError, IntegrityError, NoSpaceError, UsageError
from pipeline.events import Notice
from pipeline.system.conda_tool import RattlerTool
from tests.simulators.conda_packages import PLACEHOLDER, Member
from tests.simulators.crash_points import for_every_point, in_memory
from tests.simulators.engine_world import FixedHost, close_stores
from tests.simulators.environment_world import LOCKED_AT, PYTHON, SITE, EnvironmentWorld, python_package, wheel_files

LONG = "p" * 60


@pytest.fixture
def world(tmp_path: Path):
    yield EnvironmentWorld(tmp_path)
    close_stores()


@pytest.fixture
def published(world: EnvironmentWorld) -> EnvironmentWorld:
    world.build_environment("0.32.2")
    world.publish()
    return world


def run(program: str | Path, *arguments: str) -> str:
    done = subprocess.run(
        [str(program), *arguments], capture_output=True, text=True, check=False, env={"PATH": os.defpath}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def is_whole(world: EnvironmentWorld, root: Path | None = None) -> bool:
    return verify(root or world.root, world.services(world.folder / "verifier"), disk=world.disk).ok


def test_what_was_linked_is_recorded_with_the_urls_of_its_channel_and_no_folder_that_is_gone(
    published: EnvironmentWorld,
):
    tree = Path(published.install().path)
    records = [path.read_text() for path in (tree / "conda-meta").glob("*.json")]
    urls = {json.loads(record)["url"] for record in records}
    assert urls == {f"{LOCKED_AT}/linux-64/{python_package().filename}", f"{LOCKED_AT}/noarch/pack-1.0-0.conda"}
    assert not [record for record in records if "staging" in record or "unpacked" in record]
    assert is_whole(published)


def test_an_environment_is_linked_laid_and_runs(published: EnvironmentWorld):
    outcome = published.install()
    tree = Path(outcome.path)
    assert (outcome.changed, outcome.version, outcome.generation) == (True, "0.32.2", 1)
    assert outcome.health.version == "mlx-lm 0.32.2"
    assert (tree / f"lib/python{PYTHON}/config.py").read_text() == f"PREFIX = '{tree}'\n"
    assert (tree / "lib/libpython.so").read_bytes().startswith(b"\x7fNOT\0" + str(tree).encode() + b"/lib\0")
    assert (tree / "bin/python").readlink() == Path(f"python{PYTHON}")
    assert run(tree / "bin/mlx_lm.server", "--port", "1") == "serving ['--port', '1']\n"
    assert run(tree / "bin/datascript") == "data 0.32.2\n"
    assert run(tree / "bin/plain.sh") == "plain\n"
    assert (tree / SITE / "pack/__init__.py").is_file()
    assert not (tree / "conda").exists()
    assert sorted(path.name for path in (tree / "share/terminfo").rglob("*") if path.is_file()) == ["NCR", "ncr"]
    assert is_whole(published)


@pytest.mark.parametrize("name", ["a root with spaces", LONG * 3])
def test_a_prefix_may_have_spaces_and_be_long(published: EnvironmentWorld, name: str):
    root = published.folder / name
    room = 255 - len(str(published.folder / "generations/mlx-lm/1/tree")) - 1
    root = published.folder / name[:room] if len(name) > 60 else root
    outcome = published.install(root=root)
    tree = Path(outcome.path)
    assert len(str(tree)) >= 200 or " " in str(tree)
    assert run(tree / "bin/mlx_lm.server", "a b") == "serving ['a b']\n"
    assert run(tree / "bin/datascript") == "data 0.32.2\n"
    assert is_whole(published, root)


def test_what_a_layer_of_wheels_holds_is_installed_as_it_is_signed(world: EnvironmentWorld):
    odd = b"#!python\nprint('brought as data, which no installer changes')\n"
    world.build_environment("0.32.2", wheels={**wheel_files("0.32.2"), "bin/odd": odd})
    world.publish()
    tree = Path(world.install().path)
    assert (tree / "bin/odd").read_bytes() == odd
    (layer,) = (place for place in (world.root / "layers").glob("*/bin/odd"))
    assert (tree / "bin/odd").samefile(layer)


def test_a_prefix_that_packages_cannot_bear_is_refused_before_anything_is_downloaded(published: EnvironmentWorld):
    root = published.folder / LONG / LONG / LONG / LONG
    services = published.services(root)
    with pytest.raises(UsageError) as refused:
        published.install(root=root, services=services)
    length = len(str(Layout(root).tree_dir("mlx-lm", 1)))
    assert f"a path of {length} bytes" in refused.value.message
    assert "at most 255" in refused.value.message
    assert f"{length - 255} bytes shorter" in refused.value.hint
    assert services.downloader.brought == []
    with pytest.raises(UsageError):
        published.install(root=root, dry_run=True)


def test_a_running_server_writes_nothing_into_the_tree(published: EnvironmentWorld):
    published.build_environment("0.33.0", packages=())
    published.publish()
    outcome = published.install(python=Path(os.path.realpath("/proc/self/exe")))
    tree = Path(outcome.path)
    assert run(tree / "bin/python", "-c", "import mlx_lm.server, sys; print(sys.prefix)") == f"{tree}\n"
    assert run(tree / "bin/mlx_lm.server") == "serving []\n"
    assert not list(tree.rglob("__pycache__"))
    compiled = list((published.root / "bytecode/mlx-lm/1").rglob("server.*.pyc"))
    assert len(compiled) == 1
    assert is_whole(published)


def test_what_packages_have_compiled_is_where_python_will_look(published: EnvironmentWorld):
    tree = Path(published.install().path)
    name = f"os.cpython-{PYTHON.replace('.', '')}.pyc"
    kept = published.root / "bytecode/mlx-lm/1" / tree.relative_to("/") / f"lib/python{PYTHON}" / name
    assert kept.read_bytes() == b"compiled"
    assert kept.samefile(tree / f"lib/python{PYTHON}/__pycache__" / name)


def test_a_second_generation_uses_the_packages_that_are_unpacked(published: EnvironmentWorld):
    first = Path(published.install().path)
    published.build_environment("0.33.0")
    published.publish()
    services = published.services()
    second = Path(published.install(services=services).path)
    os_py = f"lib/python{PYTHON}/os.py"
    assert (first / os_py).samefile(second / os_py)
    assert (second / f"lib/python{PYTHON}/config.py").read_text() == f"PREFIX = '{second}'\n"
    assert is_whole(published)
    assert [path.name for path in (published.root / "unpacked").iterdir() if path.is_dir()] != []


def test_unpacked_packages_that_were_changed_are_not_used(published: EnvironmentWorld):
    published.install()
    (victim,) = (published.root / "unpacked").rglob("config.py")
    victim.write_bytes(b"evil\n")
    published.build_environment("0.33.0")
    published.publish()
    tree = Path(published.install().path)
    assert (tree / f"lib/python{PYTHON}/config.py").read_text() == f"PREFIX = '{tree}'\n"


def test_updates_rollbacks_and_switches_work_from_the_list_of_files(published: EnvironmentWorld):
    published.install()
    published.build_environment("0.33.0")
    published.publish()
    assert published.install().previous_version == "0.32.2"
    services, disk = published.services(), published.disk
    assert rollback(published.root, services=services, disk=disk).version == "0.32.2"
    assert use(published.root, "0.33.0", services=services, disk=disk).health.version == "mlx-lm 0.33.0"
    quick = quick_switch(published.root, None, how=Switching(), services=lambda: services, disk=disk, jobs=1)
    assert quick is not None
    assert (quick["version"], quick["changed"]) == ("0.32.2", True)
    assert [g.version for g in list_generations(published.root) if g.current] == ["0.32.2"]


def test_a_changed_file_is_found_and_repaired(published: EnvironmentWorld):
    tree = Path(published.install().path)
    config = tree / f"lib/python{PYTHON}/config.py"
    config.write_bytes(b"PREFIX = '/evil'\n")
    (tree / SITE / "sneaked.pth").write_bytes(b"import evil\n")
    report = verify(published.root, published.services(published.folder / "v"), disk=published.disk)
    found = {finding.path: finding.state for finding in report.findings}
    assert found == {
        f"generations/mlx-lm/1/tree/lib/python{PYTHON}/config.py": "changed",
        f"generations/mlx-lm/1/tree/{SITE}/sneaked.pth": "unexpected",
    }
    outcome = published.install(repair=True)
    assert outcome.generation == 2
    assert is_whole(published)
    assert [g.number for g in list_generations(published.root)] == [2]
    assert not (published.root / "bytecode/mlx-lm/1").exists()


@pytest.mark.parametrize("damage", [b"{}", b"", None])
def test_a_list_of_files_that_is_damaged_is_no_list(published: EnvironmentWorld, damage: bytes | None):
    published.install()
    path = published.root / "generations/mlx-lm/1/files.json"
    path.unlink()
    if damage is not None:
        path.write_bytes(damage)
    report = verify(published.root, published.services(published.folder / "v"), disk=published.disk)
    assert [(f.path, f.state) for f in report.findings] == [("generations/mlx-lm/1/tree", "changed")]
    assert published.install().generation == 2


def test_a_list_that_goes_with_changed_files_is_not_believed(published: EnvironmentWorld):
    tree = Path(published.install().path)
    path = published.root / "generations/mlx-lm/1/files.json"
    document = json.loads(path.read_bytes())
    document["entries"] = [e for e in document["entries"] if not e["path"].endswith("config.py")]
    path.write_text(json.dumps(document))
    (tree / f"lib/python{PYTHON}/config.py").unlink()
    assert not is_whole(published)


def test_removal_takes_bytecode_and_unpacked_packages_along(published: EnvironmentWorld):
    published.install()
    outcome = uninstall(published.root, services=published.services(), disk=published.disk)
    assert outcome.generations == ("mlx-lm/1",)
    left = [p for name in ("bytecode", "unpacked", "layers", "generations") for p in (published.root / name).rglob("*")]
    assert left == []


def test_what_a_broken_run_left_beside_generations_is_removed_by_the_next_change(published: EnvironmentWorld):
    published.install()
    for name in ("bytecode/mlx-lm/9/x.pyc", f"unpacked/{'0' * 64}/x", f"unpacked/{'1' * 64}.json"):
        (published.root / name).parent.mkdir(parents=True, exist_ok=True)
        (published.root / name).write_bytes(b"x")
    gc(published.root, services=published.services(), disk=published.disk)
    assert not (published.root / "bytecode/mlx-lm/9").exists()
    assert len(list((published.root / "unpacked").iterdir())) == 2
    assert (published.root / "bytecode/mlx-lm/1").is_dir()


def test_an_environment_that_does_not_work_leaves_the_old_one_running(published: EnvironmentWorld):
    published.install()
    published.build_environment(
        "0.33.0", wheels={**wheel_files("0.33.0"), f"{SITE}/mlx_lm/__init__.py": b"raise OSError\n"}
    )
    published.publish()
    with pytest.raises(Exception, match="fails its health check"):
        published.install()
    assert [g.version for g in list_generations(published.root) if g.current] == ["0.32.2"]


def test_a_damaged_package_is_refused_and_nothing_is_left(world: EnvironmentWorld):
    def bend(channel: Path) -> None:
        path = channel / "linux-64/repodata.json"
        document = json.loads(path.read_text())
        for record in document["packages.conda"].values():
            record["sha256"] = "0" * 64
        path.write_text(json.dumps(document))

    world.build_environment("0.32.2", bend=bend)
    world.publish()
    with pytest.raises(IntegrityError, match=r"python-.*has sha256"):
        world.install()
    assert list_generations(world.root) == ()
    assert list((world.root / "staging").iterdir()) == list((world.root / "layers").iterdir()) == []


@pytest.mark.parametrize(
    "wheels",
    [
        {f"lib/python{PYTHON}/os.py": b"another"},
        {f"lib/python{PYTHON}/OS.py": b"another"},
        {"bin": b"a file"},
        {"bin/python/x": b"below a link"},
        {"bin/mlx_lm.server": b"a program that is made too"},
        {f"{SITE}/00-engine-pipeline.pth": b"import evil"},
    ],
)
def test_wheels_that_contradict_the_base_are_refused(world: EnvironmentWorld, wheels: dict[str, bytes]):
    world.build_environment("0.32.2", wheels={**wheel_files("0.32.2"), **wheels} if "bin" not in wheels else wheels)
    world.publish()
    with pytest.raises(IntegrityError):
        world.install()
    assert list_generations(world.root) == ()


@pytest.mark.parametrize("brought_by", ["base", "wheels"])
def test_a_package_does_not_say_what_python_imports_from_its_users_home(world: EnvironmentWorld, brought_by: str):
    base, settings = python_package(), b"include-system-site-packages = true\n"
    if brought_by == "base":
        base.files["pyvenv.cfg"] = Member(settings)
    wheels = wheel_files("0.32.2") | ({"pyvenv.cfg": settings} if brought_by == "wheels" else {})
    world.build_environment("0.32.2", packages=(base,), wheels=wheels)
    world.publish()
    with pytest.raises(IntegrityError, match=r"pyvenv\.cfg"):
        world.install()
    assert list_generations(world.root) == ()


def test_a_wheel_does_not_write_through_a_link_of_the_base(world: EnvironmentWorld):
    outside = world.folder / "outside"
    outside.mkdir()
    base = python_package()
    base.files["lib/linked"] = Member(link=str(outside))
    world.build_environment("0.32.2", packages=(base,), wheels={"lib/linked/x": b"x"}, scripts={})
    world.publish()
    with pytest.raises(IntegrityError, match="contradict"):
        world.install()
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("entry_point", ["os:system('x')", "mlx_lm", "a:b\nimport evil", "a b:c", ""])
def test_an_entry_point_that_is_none_makes_no_program(world: EnvironmentWorld, entry_point: str):
    world.build_environment("0.32.2", scripts={"mlx_lm.server": entry_point})
    world.publish()
    with pytest.raises(IntegrityError, match="is no entry point"):
        world.install()


def test_a_package_that_the_bundle_lacks_is_named(world: EnvironmentWorld):
    world.build_environment("0.32.2", packages=(python_package(),), also=("noarch/gone-1-0.conda",))
    world.publish()
    with pytest.raises(IntegrityError, match=r"no noarch/gone-1-0\.conda"):
        world.install()


def test_a_disk_without_room_for_unpacked_packages_is_found_before_the_download(published: EnvironmentWorld):
    sizes = json.loads((published.repository / "manifest.json").read_text())["artifacts"][0]["layers"]
    files = sum(layer["installed_size"] + layer["size"] for layer in sizes)
    services = published.services(host=FixedHost(free=files + (16 << 20) + 10))
    with pytest.raises(NoSpaceError):
        published.install(services=services)
    assert services.downloader.brought == []


def test_a_python_is_named_only_for_bundles_that_bring_none(published: EnvironmentWorld):
    with pytest.raises(UsageError, match="brings a Python of its own"):
        published.install(python=Path("/usr/bin/python3"))
    published.build("b1")
    published.publish()
    with pytest.raises(UsageError, match="needs no Python"):
        published.install(target="llama.cpp/linux-x86_64-cpu", python=Path("/usr/bin/python3"))


@pytest.fixture
def over_a_host(world: EnvironmentWorld) -> EnvironmentWorld:
    world.build_environment("0.33.0", packages=())
    world.publish()
    return world


def host_python(folder: Path) -> Path:
    """Return a Python of its own in a folder, as a package manager would put it there."""
    folder.mkdir()
    link = folder / f"python{PYTHON}"
    link.symlink_to(os.path.realpath(sys.executable))
    return link


def test_a_python_that_is_named_is_looked_at_though_the_version_is_current(over_a_host: EnvironmentWorld):
    before = over_a_host.install(python=Path(sys.executable))
    for name in ("/no/such/python", "/bin/false"):
        with pytest.raises(HostError) as refused:
            over_a_host.install(python=Path(name))
        assert name in refused.value.message
        assert refused.value.exit_code == 5
    again = over_a_host.install(python=Path(sys.executable))
    assert (again.changed, again.path) == (False, before.path)
    assert over_a_host.install().changed is False


def test_another_python_that_is_named_is_taken_though_the_version_is_current(over_a_host: EnvironmentWorld):
    over_a_host.install(python=Path(sys.executable))
    other = host_python(over_a_host.folder / "other")
    outcome = over_a_host.install(python=other)
    assert (outcome.changed, outcome.generation, outcome.downloaded_bytes) == (True, 2, 0)
    assert (Path(outcome.path) / "bin/python").readlink() == other
    assert is_whole(over_a_host)
    assert over_a_host.install(python=other).generation == 2


def test_a_python_that_is_named_for_a_current_bundle_that_needs_none_is_refused(published: EnvironmentWorld):
    published.install()
    with pytest.raises(UsageError, match="brings a Python of its own"):
        published.install(python=Path(sys.executable))
    published.build("b1")
    published.publish()
    published.install(target="llama.cpp/linux-x86_64-cpu")
    with pytest.raises(UsageError, match="needs no Python"):
        published.install(target="llama.cpp/linux-x86_64-cpu", python=Path(sys.executable))


def test_an_environment_whose_python_is_gone_is_repaired(over_a_host: EnvironmentWorld):
    gone = host_python(over_a_host.folder / "gone")
    over_a_host.install(python=gone)
    gone.unlink()
    with pytest.raises(HostError, match=f"no python{PYTHON} on its PATH"):
        over_a_host.install(repair=True)
    assert [g.number for g in list_generations(over_a_host.root)] == [1]
    outcome = over_a_host.install(repair=True, python=Path(sys.executable))
    assert (outcome.changed, outcome.generation, outcome.downloaded_bytes) == (True, 2, 0)
    assert run(Path(outcome.path) / "bin/mlx_lm.server") == "serving []\n"
    assert [g.number for g in list_generations(over_a_host.root)] == [2]
    assert over_a_host.install(repair=True).changed is False


def test_a_plain_install_notices_that_the_python_is_gone(over_a_host: EnvironmentWorld):
    gone = host_python(over_a_host.folder / "gone")
    over_a_host.install(python=gone)
    gone.unlink()
    services = over_a_host.services()
    with pytest.raises(HostError, match=f"no python{PYTHON} on its PATH") as refused:
        install(over_a_host.request(), services, disk=over_a_host.disk)
    assert "--python" in refused.value.hint
    assert [e.message for e in services.events.events if isinstance(e, Notice) and e.level == "warning"] == [
        f"generation 1 of mlx-lm is made anew: the Python that it runs on, {gone}, is gone"
    ]
    outcome = over_a_host.install(python=Path(sys.executable))
    assert (outcome.changed, outcome.generation, outcome.downloaded_bytes) == (True, 2, 0)
    assert run(Path(outcome.path) / "bin/mlx_lm.server") == "serving []\n"
    assert over_a_host.install().changed is False


def test_a_plain_install_notices_that_the_python_is_another_version(over_a_host: EnvironmentWorld):
    link = host_python(over_a_host.folder / "there")
    over_a_host.install(python=link)
    newer = over_a_host.folder / "python3.99"
    newer.write_text("#!/bin/sh\nexit 1\n")
    link.unlink()
    link.symlink_to(newer)
    (listed,) = list_generations(over_a_host.root)
    assert listed.fault == f"the Python that it runs on, {link}, is 3.99 now, and its wheels are for {PYTHON}"
    outcome = over_a_host.install(python=Path(sys.executable))
    assert (outcome.changed, outcome.generation) == (True, 2)
    assert next(g.fault for g in list_generations(over_a_host.root)) is None


def test_verify_names_the_python_that_is_gone_until_another_generation_runs(over_a_host: EnvironmentWorld):
    gone = host_python(over_a_host.folder / "gone")
    over_a_host.install(python=gone)
    assert is_whole(over_a_host)
    gone.unlink()
    services = over_a_host.services(over_a_host.folder / "verifier")
    report = verify(over_a_host.root, services, disk=over_a_host.disk)
    assert [(finding.path, finding.state) for finding in report.findings] == [(str(gone), "missing")]
    assert "`install` makes it anew" in report.findings[0].detail
    over_a_host.install(python=Path(sys.executable))
    again = verify(over_a_host.root, services, disk=over_a_host.disk)
    assert again.ok
    assert again.notes == (f"generation 1 of mlx-lm cannot run: the Python that it runs on, {gone}, is gone",)


@pytest.mark.parametrize(
    ("name", "libraries", "fault"),
    [
        ("python3.99", [], "is 3.99 now"),
        ("python3.99t", [f"lib/python{PYTHON}"], "is 3.99t now"),
        (f"python{PYTHON}t", [f"lib/python{PYTHON}"], f"is {PYTHON}t now"),
        ("python", [f"lib/python{PYTHON}t"], f"is {PYTHON}t now"),
        (f"python{PYTHON}", ["lib/python3.99"], ""),
        ("python", ["lib/python3.99"], "is 3.99 now"),
        ("python", ["lib64/python3.99"], "is 3.99 now"),
        ("python", ["lib/python3.99", f"lib/python{PYTHON}"], ""),
        ("python", [], ""),
    ],
)
def test_which_python_it_is_now_is_seen_without_starting_it(
    over_a_host: EnvironmentWorld, name: str, libraries: list[str], fault: str
):
    link = host_python(over_a_host.folder / "there")
    over_a_host.install(python=link)
    place = over_a_host.folder / "other"
    (place / "bin").mkdir(parents=True)
    (place / "bin" / name).write_text("never started")
    for library in libraries:
        (place / library).mkdir(parents=True)
        (place / library / "os.py").touch()
    link.unlink()
    link.symlink_to(place / "bin" / name)
    found = list_generations(over_a_host.root)[0].fault
    assert (found is None) if not fault else (fault in (found or ""))


def test_without_what_links_packages_nothing_is_downloaded(published: EnvironmentWorld):
    services = super(EnvironmentWorld, published).services()
    with pytest.raises(HostError, match="links conda packages"):
        published.install(services=services)
    assert services.downloader.brought == []


def test_changed_binaries_of_a_macos_environment_are_signed_again_or_it_is_not_installed(world: EnvironmentWorld):
    base = python_package("osx-arm64")
    mach_o = bytes.fromhex("cffaedfe") + b"code" * 100 + PLACEHOLDER.encode() + b"/lib\0"
    base.files["lib/libx.dylib"] = Member(mach_o, binary=True)
    world.build_environment("0.32.2", packages=(base,), platform="macos-arm64")
    world.publish()
    wish = {"target": "mlx-lm/macos-arm64-mlx", "check_host": False, "health": HealthWish(level="none")}
    with pytest.raises(HostError, match=r"libx\.dylib must be signed again"):
        world.install(**wish)
    assert list_generations(world.root) == ()
    program = world.folder / "tools/codesign"
    program.parent.mkdir()
    program.write_text(
        "#!/bin/sh\nfor file; do :; done\n"
        '[ "$1" = --verify ] && exec grep -q signed "$file"\nprintf signed >> "$file"\n'
    )
    program.chmod(0o755)
    services = replace(world.services(), base_env={"PATH": f"{program.parent}:{os.defpath}"})
    tree = Path(world.install(services=services, **wish).path)
    assert (tree / "lib/libx.dylib").read_bytes().endswith(b"signed")
    assert f"{tree}/lib".encode() in (tree / "lib/libx.dylib").read_bytes()
    assert is_whole(world)


def test_an_interrupted_installation_leaves_the_old_one(published: EnvironmentWorld):
    before = published.install().path

    class Interrupted(RattlerTool):
        def link(self, *arguments: object, **named: object) -> None:
            super().link(*arguments, **named)
            raise KeyboardInterrupt

    published.build_environment("0.33.0")
    published.publish()
    with pytest.raises(KeyboardInterrupt):
        published.install(services=replace(published.services(), conda=Interrupted()))
    assert [(g.version, g.path) for g in list_generations(published.root)] == [("0.32.2", before)]
    assert list((published.root / "staging").iterdir()) == []
    assert published.install().version == "0.33.0"


def test_a_process_that_is_killed_while_it_links_takes_the_linking_process_along(published: EnvironmentWorld):
    project = Path(__file__).resolve().parents[3]
    sleeper = "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(60)"
    script = published.folder / "linker.py"
    script.write_text(
        f"import sys\nsys.path.insert(0, {str(project)!r})\nfrom pipeline.system.conda_child import work\n"
        f"work('link', {{}}, seconds=60, command=(sys.executable, '-c', {sleeper!r}))\n"
    )
    process = subprocess.Popen([sys.executable, str(script)], cwd=published.folder)
    pid = published.folder / "pid"
    while not (pid.exists() and pid.read_text()):
        assert process.poll() is None
        time.sleep(0.01)
    child = int(pid.read_text())
    process.kill()
    process.wait()
    while Path(f"/proc/{child}").exists() and "(zombie)" not in Path(f"/proc/{child}/status").read_text():
        time.sleep(0.05)


@pytest.mark.slow
def test_an_installation_that_dies_anywhere_leaves_the_old_or_the_new_version():
    with in_memory() as folder:
        world = EnvironmentWorld(folder)
        for version in ("0.32.2", "0.33.0"):
            world.build_environment(version, packages=(python_package(),), wheels=SMALL[version], health=None)
        world.publish()
        world.install(version="0.32.2")

        def check(root: Path, number: int) -> None:
            assert current(root) in {"0.32.2", "0.33.0"}, number
            world.install(root=root)
            assert current(root) == "0.33.0", number
            assert [g.version for g in list_generations(root)] == ["0.33.0", "0.32.2"], number
            assert is_whole(world, root), number
            assert Layout(root).orphans() == (), number

        assert for_every_point(world, world.root, lambda root: world.install(root=root), check) > 50


SMALL = {version: {f"{SITE}/mlx_lm.py": version.encode()} for version in ("0.32.2", "0.33.0")}


def current(root: Path) -> str:
    return json.loads((root / "current/mlx-lm.json").read_text())["version"]
