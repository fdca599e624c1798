from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pipeline.deploy.verify import report_error, verify
from pipeline.errors import IntegrityError, TrustError, UsageError
from pipeline.model.verification import VerifyReport
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
