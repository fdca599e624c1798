"""Archives in the layouts of llama.cpp's own releases are taken as they are.

The names are those of release b10892 (2026-08): ``ubuntu-x64`` and ``macos-arm64`` are .tar.gz rooted at
``llama-<tag>/`` with chains of versioned links, ``win-cpu-x64`` and ``cudart`` are flat zips.
"""

import io
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from pipeline.errors import IntegrityError
from pipeline.system.archives import FileArchiver
from pipeline.system.trees import FileTreeReader

TAG = "b10892"
PROGRAMS = ("llama-server", "llama-cli", "llama-bench", "rpc-server")
LIBRARIES = ("libggml", "libggml-base", "libllama", "libmtmd")
PLUG_INS = ("libggml-cpu-haswell.so", "libggml-cpu-skylakex.so", "libggml-rpc.so")


def unix_files(top):
    """Return path to content, or to the target of a link, of a rooted archive."""
    files = {f"{top}/{name}": name.encode() * 50 for name in PROGRAMS}
    files |= {f"{top}/{name}": name.encode() * 90 for name in PLUG_INS}
    for name in LIBRARIES:
        files[f"{top}/{name}.so"] = f"{name}.so.0"
        files[f"{top}/{name}.so.0"] = f"{name}.so.0.0.1"
        files[f"{top}/{name}.so.0.0.1"] = name.encode() * 80
    return {**files, f"{top}/LICENSE": b"MIT\n"}


def make_folder(folder, files):
    for path, content in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            place.symlink_to(content)
        else:
            place.write_bytes(content)
            place.chmod(0o755 if "LICENSE" not in path else 0o644)


@pytest.mark.parametrize("how", ["gnu tar", "python"])
def test_a_rooted_archive_keeps_its_chains_of_links(tmp_path, how):
    top = f"llama-{TAG}"
    make_folder(tmp_path / "src", unix_files(top))
    archive = tmp_path / f"llama-{TAG}-bin-ubuntu-x64.tar.gz"
    if how == "gnu tar":
        subprocess.run(["tar", "-C", tmp_path / "src", "-czf", archive, top], check=True)
    else:
        with tarfile.open(archive, "w:gz") as sink:
            sink.add(tmp_path / "src" / top, top)
    FileArchiver().unpack(archive, tmp_path / "out", strip_top=True)
    out = tmp_path / "out"
    assert (out / "libllama.so").readlink() == Path("libllama.so.0")
    assert (out / "libllama.so.0").readlink() == Path("libllama.so.0.0.1")
    assert (out / "libllama.so").read_bytes() == b"libllama" * 80
    assert (out / "llama-server").stat().st_mode & 0o777 == 0o755
    assert (out / "LICENSE").stat().st_mode & 0o777 == 0o644
    assert sum(path.is_symlink() for path in out.iterdir()) == 2 * len(LIBRARIES)


def test_a_rooted_archive_unpacks_with_its_top_folder_when_that_is_wanted(tmp_path):
    make_folder(tmp_path / "src", unix_files(f"llama-{TAG}"))
    archive = tmp_path / "a.tar.gz"
    subprocess.run(["tar", "-C", tmp_path / "src", "-czf", archive, "."], check=True)
    FileArchiver().unpack(archive, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == [f"llama-{TAG}"]


def test_a_dangling_link_is_kept_for_the_proof_to_find(tmp_path):
    """The archives of b9165 had links that lead nowhere; a tree may hold them, and a later step says so by name."""
    make_folder(tmp_path / "src", {"llama-b9165/libllama.so": "libllama.so.0", "llama-b9165/llama-server": b"x"})
    subprocess.run(["tar", "-C", tmp_path / "src", "-czf", tmp_path / "a.tar.gz", "llama-b9165"], check=True)
    FileArchiver().unpack(tmp_path / "a.tar.gz", tmp_path / "out", strip_top=True)
    assert (tmp_path / "out/libllama.so").is_symlink()
    assert not (tmp_path / "out/libllama.so").exists()


@pytest.mark.parametrize("system", [0, 3])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_flat_zip_is_taken(tmp_path, system, streamed):
    names = ("llama-server.exe", "llama.dll", "ggml-cpu-haswell.dll", "libomp140.x86_64.dll", "LICENSE")

    class Pipe(io.BytesIO):
        def seekable(self):
            return not streamed

    sink = Pipe()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            info = zipfile.ZipInfo(name, (2026, 8, 21, 10, 0, 0))
            info.create_system = system
            info.external_attr = 0x20 if system == 0 else 0o100644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, name.encode() * 60)
    (tmp_path / f"llama-{TAG}-bin-win-cpu-x64.zip").write_bytes(sink.getvalue())
    FileArchiver().unpack(tmp_path / f"llama-{TAG}-bin-win-cpu-x64.zip", tmp_path / "out")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == {
        name: name.encode() * 60 for name in names
    }


def test_a_flat_zip_has_no_top_folder_to_leave_out(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("llama-server.exe", b"x")
        archive.writestr("llama.dll", b"y")
    with pytest.raises(IntegrityError, match="no single top folder"):
        FileArchiver().unpack(tmp_path / "a.zip", tmp_path / "out", strip_top=True)


def test_a_signed_archive_gives_the_digests_of_what_was_written(tmp_path):
    make_folder(tmp_path / "src", unix_files("bin"))
    archiver = FileArchiver()
    archiver.pack(tmp_path / "src", tmp_path / "a.tar.zst", epoch_seconds=0, zstd_level=3)
    sha256 = subprocess.run(["sha256sum", tmp_path / "a.tar.zst"], capture_output=True, check=True).stdout[:64].decode()
    size = sum(path.stat().st_size for path in (tmp_path / "src/bin").iterdir() if not path.is_symlink())
    tree = archiver.unpack_signed(tmp_path / "a.tar.zst", tmp_path / "out", sha256=sha256, files_bytes=size)
    assert tree == FileTreeReader().scan(tmp_path / "out") == FileTreeReader().scan(tmp_path / "src")
    for wrong in ({"sha256": "0" * 64, "files_bytes": size}, {"sha256": sha256, "files_bytes": size - 1}):
        with pytest.raises(IntegrityError, match=r"^a\.tar\.zst "):
            archiver.unpack_signed(tmp_path / "a.tar.zst", tmp_path / "other", **wrong)
        assert not (tmp_path / "other").exists()


def test_a_large_archive_is_read_twice_with_the_same_result(tmp_path):
    """What does not wait in memory for the judgement is read again when files are written."""
    content = bytes(range(256)) * 4096 * 30  # 30 MiB
    make_folder(tmp_path / "src", {"bin/large": content, "bin/small": b"s", "bin/link": "large"})
    archiver = FileArchiver()
    archiver.pack(tmp_path / "src", tmp_path / "a.tar.zst", epoch_seconds=0, zstd_level=1)
    assert archiver.unpack(tmp_path / "a.tar.zst", tmp_path / "out") == 3
    assert (tmp_path / "out/bin/link").read_bytes() == content
