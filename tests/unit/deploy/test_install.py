from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.deploy.generations import list_generations, rollback
from pipeline.deploy.layout import Layout
from pipeline.errors import HostError, IntegrityError, NoSpaceError, NothingSelectedError, UsageError
from pipeline.model.manifest import Requires
from pipeline.names import UnknownNameError
from pipeline.system.trees import FileTreeReader
from tests.simulators.engine_world import CPU, DEBUG, FixedHost, LayerFiles, World, core


def test_a_version_is_installed_from_a_folder(published: World):
    outcome = published.install()
    assert (outcome.changed, outcome.version, outcome.generation) == (True, "b1", 1)
    assert b"core b1" in published.run(outcome)
    tree = Path(outcome.path)
    assert sorted(p.relative_to(tree).as_posix() for p in tree.rglob("*") if not p.is_dir()) == [
        "bin/llama-server",
        "lib/libggml-cpu.so",
        "lib/libllama.so",
        "lib/libllama.so.0.1",
        "licenses/llama.cpp",
    ]
    assert (tree / "lib/libllama.so").readlink() == Path("libllama.so.0.1")
    assert (tree / "bin/llama-server").stat().st_mode & 0o777 == 0o755


def test_layers_brought_side_by_side_are_the_same_installation(published: World):
    one = published.install()
    other = published.folder / "other"
    two = published.install(root=other, services=replace(published.services(other), jobs=4))
    assert list_generations(other)[0].version == "b1"
    scan = FileTreeReader().scan
    assert scan(Path(one.path)) == scan(Path(two.path))
    assert sorted(p.name for p in (other / "layers").iterdir()) == sorted(
        p.name for p in (published.root / "layers").iterdir()
    )


def test_a_layer_that_fails_beside_others_leaves_nothing(published: World):
    blob = next(path for path in (published.repository / "blobs").rglob("*") if path.is_file() and _is_layer(path))
    data = bytearray(blob.read_bytes())
    data[-5] ^= 1
    blob.write_bytes(data)
    with pytest.raises(IntegrityError):
        published.install(services=replace(published.services(), jobs=4))
    assert list_generations(published.root) == ()
    assert list((published.root / "layers").iterdir()) == list((published.root / "staging").iterdir()) == []


def _is_layer(path: Path) -> bool:
    return path.name in {layer["sha256"] for layer in _layers(path.parents[2]) if layer["name"] == "cpu"}


def _layers(repository: Path) -> list[dict[str, str]]:
    return json.loads((repository / "manifest.json").read_text())["artifacts"][0]["layers"]


def test_a_download_that_rotted_since_an_earlier_run_is_brought_anew(published: World):
    layer = _layers(published.repository)[0]
    rotten = published.root / "downloads/blobs" / layer["sha256"][:2] / layer["sha256"]
    rotten.parent.mkdir(parents=True)
    rotten.write_bytes(bytes(int(layer["size"])))
    services = published.services()
    outcome = published.install(services=services)
    assert b"core b1" in published.run(outcome)
    assert any("brought anew" in getattr(event, "message", "") for event in services.events.events)
    assert not rotten.exists()


def test_nothing_half_made_stays_after_an_installation(published: World):
    published.install()
    layout = Layout(published.root)
    assert list(layout.staging_dir.iterdir()) == []
    assert not any((layout.downloads_dir / "blobs").rglob("*.tar.zst"))


def test_the_pointer_names_the_tree(published: World):
    outcome = published.install()
    pointer = json.loads((published.root / "current/llama.cpp.json").read_text())
    assert published.root / pointer["tree"] == Path(outcome.path)
    assert (pointer["generation"], pointer["version"]) == (1, "b1")


def test_the_same_version_again_changes_nothing(published: World):
    first = published.install()
    before = _lasting(published.root)
    services = published.services()
    again = published.install(services=services)
    assert (again.changed, again.generation, again.downloaded_bytes) == (False, 1, 0)
    assert again.programs == first.programs
    assert services.downloader.brought == []
    assert _lasting(published.root) == before


def _lasting(root: Path) -> dict[str, int]:
    """Return every file but those of locks, downloads and trust, with its time of change."""
    paths = (p.relative_to(root) for p in root.rglob("*") if p.is_symlink() or p.is_file())
    return {str(p): (root / p).lstat().st_mtime_ns for p in paths if p.parts[0] not in {"locks", "downloads", "trust"}}


def test_an_update_downloads_only_layers_that_are_not_there_and_keeps_the_old_version(published: World):
    old = published.install()
    published.build("b2")
    published.publish()
    services = published.services()
    new = published.install(services=services)
    assert (new.version, new.previous_version, new.generation) == ("b2", "b1", 2)
    assert {layer.name: layer.present for layer in new.layers} == {"core": False, "cpu": True}
    assert len(services.downloader.brought) == 1
    assert b"core b1" in published.run(old)
    assert b"core b2" in published.run(new)


def test_a_layer_that_two_versions_share_lies_on_the_disk_once(published: World):
    old = published.install()
    published.build("b2")
    published.publish()
    new = published.install()
    shared = "lib/libggml-cpu.so"
    assert (Path(old.path) / shared).samefile(Path(new.path) / shared)


def test_the_newest_version_is_chosen_by_number(world: World):
    for version in ("b9999", "b10000", "b100"):
        world.build(version)
    world.publish()
    assert world.install().version == "b10000"


def test_an_older_version_can_be_asked_for(world: World):
    for version in ("b1", "b2"):
        world.build(version)
    world.publish()
    assert world.install(version="b1").version == "b1"
    with pytest.raises(NothingSelectedError, match="b3") as caught:
        world.install(version="b3")
    assert "b2, b1" in caught.value.hint


def test_debug_files_come_only_when_asked_for(published: World):
    plain = published.install()
    assert not (Path(plain.path) / "debug").exists()
    full = published.install(with_debug=True)
    assert (full.changed, full.generation) == (True, 2)
    assert (Path(full.path) / "debug/libllama.so.debug").is_file()
    assert published.install().changed is False


def test_a_dry_run_tells_what_it_would_bring(published: World):
    outcome = published.install(dry_run=True)
    assert (outcome.changed, outcome.dry_run, outcome.generation) == (True, True, None)
    assert outcome.downloaded_bytes == sum(layer.download_bytes for layer in outcome.layers) > 0
    assert list((published.root / "layers").iterdir()) == []
    assert list_generations(published.root) == ()


def test_targets_are_resolved_against_what_is_offered(world: World):
    world.build("b1")
    world.build("b1", (core("b1"), LayerFiles("avx2", {"lib/x": b"avx2"})), accel="avx2")
    world.publish()
    with pytest.raises(UsageError, match="one target at a time") as caught:
        world.install(check_host=False)
    assert "llama.cpp/linux-x86_64-avx2" in caught.value.hint
    assert world.install(target="linux-x86_64-avx2").target == "llama.cpp/linux-x86_64-avx2"
    assert world.install(target="llama.cpp/linux-x86_64-cpu").target == "llama.cpp/linux-x86_64-cpu"
    with pytest.raises(UnknownNameError, match="linux-x86_64-avx3"):
        world.install(target="linux-x86_64-avx3")
    with pytest.raises(UnknownNameError) as caught:
        world.install(target="something-else")
    assert "the repository has llama.cpp/linux-x86_64-avx2, llama.cpp/linux-x86_64-cpu" in caught.value.hint
    assert "explain" in caught.value.hint


def test_a_host_that_lacks_something_is_told_all_of_it_before_any_download(world: World):
    requires = Requires(
        glibc="2.38", cpu=("avx2", "avx512f"), libraries=(), driver=None, macos=None, gpu_architectures=()
    )
    world.build("b1", requires=requires)
    world.publish()
    services = world.services()
    with pytest.raises(HostError, match=r"needs glibc 2\.38, this has 2\.36; this processor has no avx512f"):
        world.install(target="linux-x86_64-cpu", services=services)
    with pytest.raises(NothingSelectedError, match=r"needs glibc 2\.38, this has 2\.36; this processor has no avx512f"):
        world.install(services=services)
    assert services.downloader.brought == []
    assert world.install(check_host=False).changed


def test_too_little_space_is_said_before_any_download(published: World):
    services = published.services(host=FixedHost(free=1000))
    with pytest.raises(NoSpaceError, match="0 MB free and this needs"):
        published.install(services=services)
    assert services.downloader.brought == []
    assert list_generations(published.root) == ()


def test_a_root_that_cannot_be_written_is_refused(published: World):
    blocked = published.folder / "file"
    blocked.write_text("no folder")
    with pytest.raises(HostError, match="file"):
        published.install(root=blocked / "root", services=published.services(published.folder / "elsewhere"))
    assert blocked.read_text() == "no folder"


def test_a_folder_with_other_files_is_no_root(published: World):
    home = published.folder / "home"
    home.mkdir()
    (home / "letter.txt").write_text("dear")
    with pytest.raises(UsageError, match="holds other files"):
        published.install(root=home)
    assert (home / "letter.txt").read_text() == "dear"


def test_a_root_that_another_process_is_making_is_no_folder_with_other_files(tmp_path: Path):
    class Racing(Layout):
        def looks_installed(self) -> bool:
            found = super().looks_installed()
            self.format_path.write_bytes(b"{}")  # the other process goes on here
            return found

    Racing(tmp_path).check(may_be_new=True)


def test_a_damaged_layer_is_replaced_and_never_patched(published: World):
    first = published.install()
    library = Path(first.path) / "lib/libllama.so.0.1"
    library.write_bytes(library.read_bytes()[:-1] + b"X")  # a hard link: the layer changes as well
    assert published.install().changed is False  # at a glance all is there
    repaired = published.install(repair=True)
    assert (repaired.changed, repaired.generation) == (True, 2)
    assert {layer.name: layer.present for layer in repaired.layers} == {"core": False, "cpu": True}
    assert (Path(repaired.path) / "lib/libllama.so.0.1").read_bytes().endswith(b"b1")


def test_a_missing_file_is_noticed_at_a_glance(published: World):
    first = published.install()
    (Path(first.path) / "lib/libggml-cpu.so").unlink()
    again = published.install()
    assert (again.changed, again.generation, again.downloaded_bytes) == (True, 2, 0)
    assert (Path(again.path) / "lib/libggml-cpu.so").is_file()


@pytest.mark.parametrize("name", ["generations/llama.cpp/1/generation.json", "current/llama.cpp.json", "format.json"])
def test_any_lost_record_is_made_again(published: World, name: str):
    published.install()
    (published.root / name).unlink()
    outcome = published.install()
    assert b"core b1" in published.run(outcome)
    assert [g.current for g in list_generations(published.root)].count(True) == 1


@pytest.mark.parametrize("name", ["generations/llama.cpp/1/generation.json", "current/llama.cpp.json"])
def test_a_damaged_record_does_not_stop_an_installation(published: World, name: str):
    published.install()
    (published.root / name).write_bytes(b'{"generation": NaN')
    outcome = published.install()
    assert b"core b1" in published.run(outcome)


def test_only_so_many_generations_are_kept(published: World):
    published.install()
    for version in ("b2", "b3", "b4"):
        published.build(version)
        published.publish()
        outcome = published.install()
    assert outcome.removed_generations == (1,)
    assert [g.version for g in list_generations(published.root)] == ["b4", "b3", "b2"]
    assert len(Layout(published.root).layer_digests()) == 4  # three cores and the backend they share


def test_a_rollback_goes_to_what_ran_before_and_an_update_after_it_forgets_the_bad_one(published: World):
    published.install()
    published.build("b2")
    published.publish()
    published.install()
    back = rollback(published.root, services=published.services(), disk=published.disk)
    assert (back.version, back.previous_version) == ("b1", "b2")
    published.build("b3")
    published.publish()
    assert published.install().previous_version == "b1"
    back = rollback(published.root, services=published.services(), disk=published.disk)
    assert back.version == "b1"


def test_layers_that_contradict_each_other_are_refused(world: World):
    world.build("b1", (core("b1"), LayerFiles("cpu", {"bin/llama-server": b"another"})))
    world.publish()
    with pytest.raises(IntegrityError, match="different files at bin/llama-server"):
        world.install()
    assert list_generations(world.root) == ()


def test_a_layer_cannot_write_through_a_link_of_another(world: World):
    world.build("b1", (core("b1"), LayerFiles("a", {"data": "lib"}), LayerFiles("b", {"data/evil": b"x"})))
    world.publish()
    with pytest.raises(IntegrityError, match="data is a file in one layer and a folder in another"):
        world.install()


def test_a_bundle_without_its_program_is_refused(world: World):
    world.build("b1", entry_points={"llama-server": "bin/llama-serve"})
    world.publish()
    with pytest.raises(IntegrityError, match=r"llama-server .* cannot be started: it is not there"):
        world.install()
    assert list_generations(world.root) == ()


def test_a_failed_installation_leaves_the_running_version(published: World):
    before = published.install()
    published.build("b2", (core("b2"), CPU, DEBUG))
    published.publish()
    for blob in (published.repository / "blobs").rglob("*"):
        if blob.is_file() and blob.read_bytes()[:4] == b"\x28\xb5\x2f\xfd":
            blob.write_bytes(blob.read_bytes()[:-1] + b"X")
    with pytest.raises(IntegrityError):
        published.install()
    assert b"core b1" in published.run(before)
    assert [(g.version, g.current) for g in list_generations(published.root)] == [("b1", True)]
    assert list(Layout(published.root).staging_dir.iterdir()) == []


def test_the_root_that_trust_started_from_is_pinned(published: World):
    published.install()
    assert Layout(published.root).trusted_root_path.read_bytes() == published.trusted_root
