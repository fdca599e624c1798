from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pipeline.deploy.comparing import FileComparison
from pipeline.deploy.verify import report_error, verify
from pipeline.deploy.verify_repository import verify_repository
from pipeline.errors import IntegrityError, TrustError, UsageError
from pipeline.model.verification import VerifyReport
from pipeline.names import UnknownNameError
from tests.simulators.engine_world import World


def check(world: World, path: Path, **choices: bytes) -> VerifyReport:
    return verify(path, world.services(world.folder / "verifier"), disk=world.disk, **choices)


def states(report: VerifyReport) -> dict[str, str]:
    return {finding.path: finding.state for finding in report.findings}


def test_an_installation_that_is_whole(published: World):
    published.install()
    report = check(published, published.root)
    assert (report.kind, report.ok, report.findings) == ("installation", True, ())
    # Layers, the generation's names of the same files, three records, and what is remembered of the repository: the
    # root that trust starts from, its copy in two places, four roles, the manifest, the last known time.
    assert report.verified == 2 * 5 + 3 + 9


def test_each_state_in_an_installation(published: World):
    tree = Path(published.install().path)
    (tree / "licenses/llama.cpp").unlink()
    (tree / "extra").write_text("x")
    (tree / "lib/libllama.so").unlink()
    (tree / "lib/libllama.so").symlink_to("libggml-cpu.so")
    (tree / "bin/llama-server").chmod(0o644)
    library = tree / "lib/libllama.so.0.1"
    library.write_bytes(b"X" * library.stat().st_size)
    report = check(published, published.root)
    core = next(p.name for p in (published.root / "layers").iterdir() if (p / "bin").is_dir())
    prefix = "generations/llama.cpp/1/tree"
    assert states(report) == {
        f"{prefix}/licenses/llama.cpp": "missing",
        f"{prefix}/extra": "unexpected",
        f"{prefix}/lib/libllama.so": "changed",
        f"{prefix}/bin/llama-server": "changed",
        f"{prefix}/lib/libllama.so.0.1": "changed",
        f"layers/{core}/bin/llama-server": "changed",
        f"layers/{core}/lib/libllama.so.0.1": "changed",
    }
    assert (report.missing, report.unexpected, report.changed) == (1, 1, 5)
    error = report_error(report)
    assert (error.exit_code, error.hint) == (7, "`install --repair` replaces what is damaged")
    assert "and 4 more" in error.message


def test_a_file_with_two_names_is_read_once(published: World):
    tree = Path(published.install().path)
    size = sum(p.stat().st_size for p in tree.rglob("*") if p.is_file() and not p.is_symlink())
    assert check(published, published.root).bytes_read == size


@pytest.mark.parametrize("change", ["remove", "flip"])
def test_any_single_file_of_an_installation_is_missed(published: World, change: str):
    published.install()
    names = [
        p.relative_to(published.root)
        for top in ("layers", "generations", "current", "format.json")
        for p in [published.root / top, *(published.root / top).rglob("*")]
        if p.is_symlink() or p.is_file()
    ]
    assert len(names) == 16
    for name in names:
        damaged = published.folder / "damaged"
        shutil.copytree(published.root, damaged, symlinks=True)
        path = damaged / name
        if change == "remove":
            path.unlink()
        elif path.is_symlink():
            path.unlink()
            path.symlink_to("elsewhere")
        else:
            data = bytearray(path.read_bytes())
            data[len(data) // 2] ^= 1
            path.write_bytes(data)
        try:
            assert not check(published, damaged).ok, name
        except IntegrityError:
            assert (str(name), change) == ("format.json", "flip")
        shutil.rmtree(damaged)


def test_a_bundle(published: World):
    bundle = published.folder / "dist/llama.cpp-b1-cpu.tar.zst"
    report = check(published, bundle)
    assert (report.kind, report.ok, report.verified) == ("bundle", True, 6)
    bundle.write_bytes(bundle.read_bytes()[:-40])
    with pytest.raises(IntegrityError):
        check(published, bundle)


def test_a_bundle_may_have_any_name(published: World):
    bundle = published.folder / "dist/llama.cpp-b1-cpu.tar.zst"
    renamed = bundle.rename(published.folder / "é my bundle (1).tar.zst")
    assert check(published, renamed).ok


def test_a_layer_is_no_bundle(published: World):
    layer = next((published.folder / "dist/layers").glob("core-b*.tar.zst"), None) or next(
        (published.folder / "dist/layers").glob("core-*.tar.zst")
    )
    with pytest.raises(IntegrityError, match=r"has no bundle\.json"):
        check(published, layer)


def test_a_dist_folder(published: World):
    dist = published.folder / "dist"
    assert check(published, dist).ok
    (dist / "build.log").write_text("x")
    layer = next(dist.glob("layers/cpu-*.tar.zst"))
    layer.write_bytes(layer.read_bytes()[:-1] + b"X")
    (dist / "llama.cpp-b1-cpu.tar.zst").unlink()
    assert states(check(published, dist)) == {
        "build.log": "unexpected",
        f"layers/{layer.name}": "changed",
        "llama.cpp-b1-cpu.tar.zst": "missing",
    }


def test_a_repository(published: World):
    published.build("b2")
    published.publish()
    report = check(published, published.repository, trusted_root=published.trusted_root)
    assert (report.kind, report.trusted, report.findings) == ("repository", True, ())
    assert check(published, published.repository).trusted is False


def test_each_state_in_a_repository(published: World):
    manifest = json.loads((published.repository / "manifest.json").read_text())["artifacts"][0]
    (published.repository / "index.html").write_text("x")
    (published.repository / manifest["url"]).unlink()
    layer = published.repository / manifest["layers"][0]["url"]
    layer.write_bytes(b"X" * layer.stat().st_size)
    (published.repository / "metadata/9.engine-llama.cpp.json").write_bytes(
        (published.repository / "metadata/1.engine-llama.cpp.json").read_bytes()
    )
    (published.repository / "metadata/notes.txt").write_text("x")
    assert states(check(published, published.repository)) == {
        "index.html": "unexpected",
        manifest["url"]: "missing",
        manifest["layers"][0]["url"]: "changed",
        "metadata/9.engine-llama.cpp.json": "changed",
        "metadata/notes.txt": "unexpected",
    }


def test_a_repository_of_other_keys(published: World):
    other = World(published.folder / "other")
    with pytest.raises(TrustError):
        check(published, published.repository, trusted_root=other.trusted_root)


def test_a_root_in_which_nothing_was_installed_is_as_it_should_be(published: World):
    with pytest.raises(UnknownNameError):
        published.install(target="llama.cpp/linux-x86_64-nothing")
    assert states(check(published, published.root)) == {}


def test_what_is_nothing_to_verify(tmp_path: Path):
    world = World(tmp_path)
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UsageError):
            check(world, path)


def test_nothing_is_changed_by_verifying(published: World):
    published.install()
    for folder in (published.root, published.repository, published.folder / "dist"):
        before = {p: p.lstat().st_mtime_ns for p in folder.rglob("*")}
        check(published, folder)
        assert {p: p.lstat().st_mtime_ns for p in folder.rglob("*")} == before


def test_a_copy_for_people_that_says_something_else_is_named(published: World):
    copy = published.repository / "manifest.json"
    copy.write_bytes(copy.read_bytes().replace(b'"MIT"', b'"BSD"'))
    assert states(check(published, published.repository)) == {"manifest.json": "changed"}
    copy.write_text("{")
    assert states(check(published, published.repository)) == {"manifest.json": "changed"}
    copy.unlink()
    assert states(check(published, published.repository)) == {"manifest.json": "missing"}


def test_an_installation_from_which_a_layer_or_a_record_is_gone(published: World):
    published.install()
    record = published.root / "generations/llama.cpp/1/generation.json"
    text = record.read_text()
    record.write_text(text.replace("linux-x86_64-cpu", "linux-x86_64-gpu", 1))
    assert states(check(published, published.root)) == {"generations/llama.cpp/1/generation.json": "changed"}
    record.write_text(text)
    layer = next(p for p in (published.root / "layers").iterdir() if p.is_dir())
    shutil.rmtree(layer)
    assert states(check(published, published.root)) == {"generations/llama.cpp/1/tree": "changed"}


def test_a_part_of_a_repository_must_hold_what_is_wanted_of_it(published: World):
    published.build("b2")
    published.publish()
    blobs = published.repository / "blobs"
    b1, b2 = json.loads((published.repository / "manifest.json").read_text())["artifacts"]
    manifest = next(p.name for p in blobs.rglob("*") if p.is_file() and p.read_bytes()[:1] == b"{")
    wanted = {manifest, b2["sha256"], *(layer["sha256"] for layer in b2["layers"])}
    (published.repository / b1["url"]).unlink()
    assert part_states(published, wanted) == {}
    (published.repository / b2["url"]).unlink()
    assert part_states(published, wanted) == {b2["url"]: "missing"}
    (published.repository / b2["url"]).write_bytes(b"X" * b2["size"])
    unwanted = next(layer["url"] for layer in b1["layers"] if layer["sha256"] not in wanted)
    (published.repository / unwanted).write_bytes(b"X")
    assert part_states(published, wanted) == {b2["url"]: "changed", unwanted: "changed"}


def test_a_part_of_a_repository_may_lack_the_copy_for_people_or_shorten_it(published: World):
    published.build("b2")
    published.publish()
    copy = published.repository / "manifest.json"
    document = json.loads(copy.read_text())
    copy.write_text(json.dumps({**document, "artifacts": document["artifacts"][1:]}))
    assert part_states(published, set()) == {}
    assert states(check(published, published.repository)) == {"manifest.json": "changed"}
    copy.write_text(json.dumps(document).replace("MIT", "BSD"))
    assert part_states(published, set()) == {"manifest.json": "changed"}
    copy.unlink()
    assert part_states(published, set()) == {}


def test_what_is_wanted_must_be_there_whether_it_is_signed_or_not(published: World):
    assert part_states(published, {"0" * 64}) == {f"blobs/00/{'0' * 64}": "missing"}


def test_names_beside_a_repository_are_left_to_the_caller(published: World):
    (published.repository / "models").mkdir()
    (published.repository / "models/tiny.gguf").write_text("x")
    assert part_states(published, set()) == {"models/tiny.gguf": "unexpected"}
    assert part_states(published, set(), beside={"models"}) == {}


def part_states(world: World, wanted: set[str], *, beside: set[str] = frozenset()) -> dict[str, str]:
    comparison = FileComparison()
    verify_repository(
        world.repository,
        comparison,
        services=world.services(world.folder / "verifier"),
        disk=world.disk,
        trusted_root=world.trusted_root,
        wanted=frozenset(wanted),
        beside=frozenset(beside),
    )
    return {finding.path: finding.state for finding in comparison.findings}
