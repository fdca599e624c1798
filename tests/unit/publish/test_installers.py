"""What the scripts are made of: choosing, leaving out, archives, staleness."""

from __future__ import annotations

import gzip
import hashlib
import re

import pytest

from pipeline.digest import sha256_bytes
from pipeline.errors import IntegrityError, NothingSelectedError, UsageError
from pipeline.model.environment import EnvironmentCard
from pipeline.model.installers import InstallersRecord
from pipeline.model.manifest import Artifact
from pipeline.model.manifest_document import read_document, read_manifest
from pipeline.model.repository_layout import blob_path
from pipeline.publish.installer_request import newest
from pipeline.publish.installer_scripts import quote_for_powershell, quote_for_shell
from pipeline.publish.installers import StaleInstallersError
from pipeline.system.archives import FileArchiver
from tests.simulators.engine_world import CPU, LayerFiles, World, core
from tests.simulators.shell_installer import ShellInstaller, health_of, revocation

EXE = LayerFiles("core", {"bin/llama-server.exe": b"MZ", "licenses/llama.cpp": b"MIT\n"})


@pytest.fixture
def machine(tmp_path) -> ShellInstaller:
    world = World(tmp_path)
    world.build("b1", health=health_of("b1"))
    world.publish()
    return ShellInstaller(world, tmp_path / "out", tmp_path / "root", base_url="https://mirror.example.com/engines/")


def published(machine: ShellInstaller) -> tuple[Artifact, ...]:
    return read_manifest((machine.world.repository / "manifest.json").read_bytes()).artifacts


def for_windows(machine: ShellInstaller, layers: tuple[LayerFiles, ...] = (EXE, CPU), **changes: object) -> Artifact:
    machine.world.build("b1", layers=layers, accel="vulkan", entry_points={"llama-server": "bin/llama-server.exe"})
    machine.world.publish()
    made = next(artifact for artifact in published(machine) if artifact.accel == "vulkan")
    return made.model_copy(update={"platform": "windows-x86_64", "accel": "cpu", **changes})


def test_the_newest_version_of_each_target_is_taken_unless_versions_are_named(machine):
    machine.world.build("b2")
    machine.world.build("b10")
    machine.world.build("b3", accel="avx2")
    machine.world.publish()
    offered = published(machine)
    assert [(a.accel, a.version) for a in newest(offered)] == [("cpu", "b10"), ("avx2", "b3")]
    assert [(a.accel, a.version) for a in newest(offered, versions=["b2", "b3"])] == [("cpu", "b2"), ("avx2", "b3")]
    assert [(a.accel, a.version) for a in newest(offered, targets=["linux-*-avx2"])] == [("avx2", "b3")]
    with pytest.raises(NothingSelectedError):
        newest(offered, versions=["b4"])
    with pytest.raises(UsageError):
        newest(offered, targets=["linux-x86_64-rocm"])
    with pytest.raises(UsageError) as caught:
        newest(offered, targets=["nothing"])
    assert caught.value.hint.startswith("there are llama.cpp/")
    with pytest.raises(NothingSelectedError):
        newest([])


def test_making_it_again_changes_nothing_and_check_says_so(machine):
    first = machine.generate()
    assert first.scripts == ("install.sh",)
    assert len(first.changed) == 4
    before = {path: path.read_bytes() for path in machine.folder.rglob("*") if path.is_file()}
    assert machine.check().changed == ()
    assert machine.generate().changed == ()
    assert {path: path.read_bytes() for path in machine.folder.rglob("*") if path.is_file()} == before
    assert machine.script.stat().st_mode & 0o111


def test_two_folders_get_the_same_bytes(machine, tmp_path):
    machine.generate()
    other = ShellInstaller(machine.world, tmp_path / "other", tmp_path / "root", base_url=machine.base_url)
    other.generate()
    files = sorted(path.relative_to(machine.folder) for path in machine.folder.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(other.folder) for path in other.folder.rglob("*") if path.is_file())
    assert all((machine.folder / name).read_bytes() == (other.folder / name).read_bytes() for name in files)


@pytest.mark.parametrize("what", ["script", "script gone", "archive", "archive gone", "record", "url", "version"])
def test_check_notices_what_is_stale_and_changes_nothing(machine, what):
    machine.generate()
    archive = next((machine.folder / "files").iterdir())
    if what == "script":
        machine.script.write_bytes(machine.script.read_bytes() + b"\n")
    elif what == "script gone":
        machine.script.unlink()
    elif what == "archive":
        archive.write_bytes(archive.read_bytes()[:-1] + b"?")
    elif what == "archive gone":
        archive.unlink()
    elif what == "record":
        (machine.folder / "installers.json").write_text("{}")
    elif what == "url":
        machine.base_url = "https://elsewhere.example.com"
    else:
        machine.world.build("b2")
        machine.world.publish()
    before = {path: path.read_bytes() for path in machine.folder.rglob("*") if path.is_file()}
    changed = machine.check().changed
    assert changed
    assert {path: path.read_bytes() for path in machine.folder.rglob("*") if path.is_file()} == before
    assert machine.generate().changed == changed
    assert machine.check().changed == ()


def test_the_gzip_archive_is_the_layers_tar_with_its_end_and_says_no_name_or_time(machine):
    machine.generate()
    record = read_document(InstallersRecord, (machine.folder / "installers.json").read_bytes(), what="record")
    for made in record.archives:
        data = (machine.folder / "files" / f"{made.sha256}.tar.gz").read_bytes()
        assert (sha256_bytes(data), len(data)) == (made.sha256, made.size)
        assert data[3:8] == bytes(5)
        assert gzip.decompress(data).endswith(bytes(1024))


def test_archives_that_another_zlib_made_are_kept(machine, tmp_path):
    machine.generate()
    record = read_document(InstallersRecord, (machine.folder / "installers.json").read_bytes(), what="record")
    made = record.archives[0]
    other = gzip.compress(
        gzip.decompress((machine.folder / "files" / f"{made.sha256}.tar.gz").read_bytes()), 1, mtime=0
    )
    sha256 = hashlib.sha256(other).hexdigest()
    (machine.folder / "files" / f"{sha256}.tar.gz").write_bytes(other)
    changed = made.model_copy(update={"sha256": sha256, "size": len(other)})
    (machine.folder / "installers.json").write_text(
        record.model_copy(update={"archives": (changed, *record.archives[1:])}).model_dump_json()
    )
    outcome = machine.generate()
    assert [name for name in outcome.changed if name.startswith("files/")] == []
    assert sha256 in machine.script.read_text()


def test_a_revoked_build_is_left_out_and_only_that_one(machine):
    machine.world.build("b2")
    machine.world.publish()
    artifacts = published(machine)
    first = next(a for a in artifacts if a.version == "b1")
    outcome = machine.generate("b1", "b2", revoked=(revocation(first, "it's bad; $(id)"),))
    assert outcome.left_out == {"llama.cpp/linux-x86_64-cpu b1": "it is revoked: it's bad; $(id)"}
    assert [bundle.version for bundle in outcome.bundles] == ["b2"]
    with pytest.raises(NothingSelectedError):
        machine.generate("b1", revoked=(revocation(first),))


def test_a_script_whose_only_build_is_revoked_is_stale_and_shall_be_removed(machine):
    (build,) = published(machine)
    with pytest.raises(NothingSelectedError):
        machine.check(revoked=(revocation(build),))
    machine.generate()
    with pytest.raises(StaleInstallersError) as caught:
        machine.check(revoked=(revocation(build),))
    assert caught.value.exit_code == 1
    assert caught.value.hint.startswith(f"remove {machine.script}")
    assert machine.script.exists()


def test_windows_gets_a_script_of_its_own_whose_values_are_the_manifests(machine):
    windows = for_windows(machine)
    outcome = machine.generate(artifacts=(*(a for a in published(machine) if a.accel == "cpu"), windows))
    assert outcome.scripts == ("install.sh", "install.ps1")
    text = (machine.folder / "install.ps1").read_text(encoding="ascii")
    gzips = {made.layer: made for made in outcome.archives}
    for layer in windows.layers:
        assert f"'{layer.tree_sha256}' = @{{" in text
        made = gzips[layer.sha256]
        assert f"Archive = '{made.sha256}'; ArchiveBytes = {made.size}\n" in text
        for path, sha256, size in re.findall(r'"path": "(.*)",\n *"sha256": "(.*)",\n *"size_bytes": (\d+)', text):
            assert {"bin/llama-server.exe": (sha256_bytes(b"MZ"), "2")}.get(path, (sha256, size)) == (sha256, size)
    assert f"Bundle = '{windows.sha256}'" in text
    assert "linux" not in re.search(r"\$Offers = @\((.*?)\n\)\n", text, re.DOTALL)[1]


def test_the_script_of_windows_refuses_an_older_one_than_the_manifest_says(machine):
    made = for_windows(machine)
    needing = made.model_copy(update={"requires": made.requires.model_copy(update={"windows": "10.0"})})
    machine.generate(artifacts=(needing,))
    text = (machine.folder / "install.ps1").read_text(encoding="ascii")
    assert "Windows = '10.0'; Driver" in text
    assert "if ($found -lt [Version]$offer.Windows) { Stop-With 5" in text


@pytest.mark.parametrize(
    ("layers", "changes"),
    [
        ((LayerFiles("core", {**EXE.files, "bin/link": "llama-server.exe"}), CPU), {}),
        ((LayerFiles("core", {**EXE.files, "share/é": b"x"}), CPU), {}),
        ((EXE, CPU), {"licenses": ("MIT", "é")}),
    ],
    ids=["link", "name", "record"],
)
def test_what_windows_cannot_take_is_left_out_with_a_word(machine, layers, changes):
    windows = for_windows(machine, layers, **changes)
    linux = next(a for a in published(machine) if a.accel == "cpu")
    outcome = machine.generate(artifacts=(linux, windows))
    assert list(outcome.left_out) == ["llama.cpp/windows-x86_64-cpu b1"]
    assert outcome.scripts == ("install.sh",)
    assert not (machine.folder / "install.ps1").exists()


def test_a_script_that_is_not_made_any_more_goes(machine):
    linux = next(a for a in published(machine) if a.accel == "cpu")
    machine.generate(artifacts=(linux, for_windows(machine)))
    assert (machine.folder / "install.ps1").exists()
    assert "install.ps1" in machine.check(artifacts=(linux,)).changed
    machine.generate(artifacts=(linux,))
    assert not (machine.folder / "install.ps1").exists()


@pytest.mark.parametrize("damage", ["flipped", "gone", "cut"])
def test_a_layer_that_is_not_what_the_manifest_says_makes_no_script(machine, damage):
    blob = machine.world.repository / blob_path(published(machine)[0].layers[0].sha256)
    data = blob.read_bytes()
    blob.unlink()
    if damage != "gone":
        blob.write_bytes(data[:-1] if damage == "cut" else data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
    with pytest.raises(IntegrityError):
        machine.generate()
    assert not machine.script.exists()
    assert not (machine.folder / ".installers").exists()


@pytest.mark.parametrize(
    "url",
    ["ftp://mirror.example.com", "mirror.example.com", "https://", "https:///", "https://a b", "https://u@h/", "http://h/?q",
     "https://h/#f", "https://h/$(id)", "https://h/'", "file:///x"],
)  # fmt: skip
def test_an_address_that_scripts_do_not_take_is_refused(machine, url):
    machine.base_url = url
    with pytest.raises(UsageError):
        machine.generate()


def test_a_promised_program_that_is_not_there_makes_no_script(machine):
    artifact = published(machine)[0].model_copy(update={"entry_points": {"llama-server": "bin/other"}})
    with pytest.raises(IntegrityError, match="bin/other"):
        machine.generate(artifacts=(artifact,))


def test_what_a_dist_folder_makes_counts_as_development(machine):
    machine.generate(repository=None, development=False, trusted_root=None)
    text = machine.script.read_text()
    assert '"development": true' in text
    assert "nobody signed" in text


def test_layers_that_differ_in_one_file_are_refused(machine):
    clash = LayerFiles("cpu", {"licenses/llama.cpp": b"other\n"})
    machine.world.build("b2", layers=(core("b2"), clash))
    machine.world.publish()
    with pytest.raises(IntegrityError):
        machine.generate("b2")


@pytest.mark.parametrize("text", ["", "plain", "it's", '$(id) `id` "x" \\ !', "two\nlines", "-n", "\u00e9\u2019"])
def test_a_quoted_text_is_the_text_for_a_shell(text, tmp_path):
    import subprocess  # noqa: PLC0415

    done = subprocess.run(["sh", "-c", f"printf %s {quote_for_shell(text)}"], capture_output=True, check=True)
    assert done.stdout.decode() == text


def test_quotes_of_any_kind_are_doubled_for_powershell():
    assert quote_for_powershell("it's \u2018so\u2019") == "'it''s \u2018\u2018so\u2019\u2019'"


def test_a_gzip_archive_with_other_content_is_not_taken_for_the_layers(machine, tmp_path):
    blob = machine.world.repository / blob_path(published(machine)[0].layers[0].sha256)
    archive = tmp_path / "layer.tar.zst"
    archive.write_bytes(blob.read_bytes())
    made = tmp_path / "made.tar.gz"
    FileArchiver().write_gzip(archive, made)
    assert FileArchiver().is_gzip_of(archive, made)
    tar = gzip.decompress(made.read_bytes())
    for wrong in (tar[:-512], tar + bytes(512), b"x" + tar[1:]):
        made.write_bytes(gzip.compress(wrong))
        assert not FileArchiver().is_gzip_of(archive, made)
    made.write_bytes(gzip.compress(tar)[:-3])
    assert not FileArchiver().is_gzip_of(archive, made)
    made.unlink()
    assert not FileArchiver().is_gzip_of(archive, made)


def test_a_python_environment_is_left_out(machine, tmp_path):
    card = EnvironmentCard(python="3.14", base="host")
    machine.world.build("b2", accel="avx2")
    machine.world.publish()
    offered = {artifact.accel: artifact for artifact in published(machine)}
    environment = offered["avx2"].model_copy(update={"environment": card})
    outcome = machine.generate(artifacts=(offered["cpu"], environment))
    assert list(outcome.left_out) == ["llama.cpp/linux-x86_64-avx2 b2"]
    assert "Python environment" in outcome.left_out["llama.cpp/linux-x86_64-avx2 b2"]
    with pytest.raises(NothingSelectedError):
        machine.generate(artifacts=(environment,))
