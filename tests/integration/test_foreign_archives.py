"""Archives in upstream's true layouts, with small real binaries of each platform, through the shipped recipes."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.simulators import binaries
from tests.simulators.command_line import PROJECT, CommandLine
from tests.simulators.gpu_code import PTX, Code, fat_binary, with_section
from tests.simulators.upstream_archives import pack, pinned, write_pin

Change = Callable[[Path], object]


def keep(folder: Path) -> None:
    """Change nothing."""


@dataclass
class World:
    """Recipes as shipped, with releases of this test's own making behind ``file:`` urls."""

    user: CommandLine
    served: Path
    assets: dict[str, list] = field(default_factory=dict)
    targets: dict[str, dict[str, list[str]]] = field(default_factory=dict)

    def engine(self, target: str, archive: str, *, tag: str = "b10892", change: Change = keep) -> None:
        platform, accel = target.rsplit("-", 1) if "cuda" not in target else target.split("-cuda", 1)
        accel = f"cuda{accel}" if accel.startswith("-") else accel
        folder = self.served / f"{tag}-{archive}-files"
        binaries.write_engine(folder, platform, accel, build_number=int(tag[1:]))
        change(folder)
        self._add(folder, target, archive, tag)

    def cudart(self, target: str, archive: str, *, tag: str = "b10892", change: Change = keep) -> None:
        folder = self.served / f"{tag}-{archive}-files"
        binaries.write_cuda_runtime(folder, target.split("-cuda", maxsplit=1)[0])
        change(folder)
        self._add(folder, target, archive, tag)

    def _add(self, folder: Path, target: str, name: str, tag: str) -> None:
        archive = pack(folder, self.served / tag / name, root="" if name.endswith(".zip") else f"llama-{tag}")
        self.assets.setdefault(tag, []).append(pinned(archive, archive.as_uri()))
        self.targets.setdefault(tag, {}).setdefault(target, []).append(name)

    def build(self, *targets: str, release: str = "b10892"):
        for tag, assets in self.assets.items():
            write_pin(
                self.user.recipes,
                assets,
                self.targets[tag],
                engine="llama.cpp",
                tag=tag,
                repository="ggml-org/llama.cpp",
            )
        return self.user.run("build", "--target", ",".join(targets), "--source", "fetch", "--release", release)

    def made(self) -> dict[tuple[str, str], dict]:
        document = json.loads((self.user.home / "dist" / "manifest.json").read_text())
        return {(f"{a['platform']}-{a['accel']}", a["version"]): a for a in document["artifacts"]}


@pytest.fixture
def world(tmp_path: Path) -> World:
    home = tmp_path / "home"
    home.mkdir()
    recipes = shutil.copytree(PROJECT / "recipes", tmp_path / "recipes")
    shutil.rmtree(recipes / "upstream", ignore_errors=True)
    return World(CommandLine(home, recipes), tmp_path / "served")


WINDOWS = {
    "windows-x86_64-cpu": "llama-{tag}-bin-win-cpu-x64.zip",
    "windows-x86_64-vulkan": "llama-{tag}-bin-win-vulkan-x64.zip",
    "windows-x86_64-cuda-12.4": "llama-{tag}-bin-win-cuda-12.4-x64.zip",
}
CUDA = "windows-x86_64-cuda-12.4"
CUDART = "cudart-llama-bin-win-cuda-12.4-x64.zip"


def digests(artifact: dict) -> dict[str, tuple[str, str]]:
    return {layer["name"]: (layer["tree_sha256"], layer["sha256"]) for layer in artifact["layers"]}


def test_windows_bundles_share_their_core_and_a_runtime_is_one_layer_for_all_releases(world):
    for tag in ("b10892", "b10900"):
        for target, name in WINDOWS.items():
            world.engine(target, name.format(tag=tag), tag=tag)
        world.cudart(CUDA, CUDART, tag=tag)
    for tag in ("b10892", "b10900"):
        done = world.build(*WINDOWS, release=tag)
        assert done.returncode == 0, done.stderr
    made = world.made()
    cpu, vulkan, cuda = (digests(made[target, "b10892"]) for target in WINDOWS)
    assert [*cuda] == ["core", "cpu", "cuda-12.4", "cuda-12.4-runtime"]
    assert cpu["core"] == vulkan["core"] == cuda["core"]
    assert cpu["cpu"] == vulkan["cpu"] == cuda["cpu"]
    later = digests(made[CUDA, "b10900"])
    assert later["cuda-12.4-runtime"] == cuda["cuda-12.4-runtime"]
    runtimes = [path.name for path in (world.user.home / "dist").rglob("cuda-12.4-runtime-*")]
    assert len(runtimes) == 1


def test_a_windows_bundle_says_what_was_measured_and_that_nothing_was_run(world):
    for target, name in WINDOWS.items():
        world.engine(target, name.format(tag="b10892"))
    world.cudart(CUDA, CUDART)
    done = world.build(CUDA)
    assert done.returncode == 0, done.stderr
    assert "is measured and not run" in done.stderr
    artifact = world.made()[CUDA, "b10892"]
    assert artifact["proof"] == {
        "level": "none", "loads": None, "version": None, "devices": [], "generated_tokens": None, "model": None,
        "ready_milliseconds": None, "resident_bytes": None, "runner": None,
    }  # fmt: skip
    assert artifact["entry_points"]["llama-server"] == "bin/llama-server.exe"
    assert artifact["requires"]["glibc"] is None
    assert artifact["requires"]["driver"] == "527.41"
    libraries = {name.lower() for name in artifact["requires"]["libraries"]}
    assert "vcruntime140.dll" in libraries
    assert not any(name.startswith("cudart") for name in libraries)
    assert [found["name"] for found in artifact["upstream"]["archives"]] == [
        "llama-b10892-bin-win-cuda-12.4-x64.zip",
        CUDART,
    ]


def has_code_for(library: str, *code: Code) -> Change:
    def change(folder: Path) -> None:
        path = folder / library
        path.write_bytes(with_section(path.read_bytes(), ".nv_fatbin", fat_binary(*code)))

    return change


def test_a_bundle_says_what_its_backend_has_code_for_and_not_what_the_vendors_runtime_has(world):
    backend = has_code_for("ggml-cuda.dll", Code(75), Code(86), Code(90, PTX))
    world.engine(CUDA, WINDOWS[CUDA].format(tag="b10892"), change=backend)
    world.cudart(CUDA, CUDART, change=has_code_for("cublasLt64_12.dll", Code(50), Code(60), Code(90)))
    done = world.build(CUDA)
    assert done.returncode == 0, done.stderr
    assert "code for sm_75, sm_86, compute_90" in done.stderr
    assert world.made()[CUDA, "b10892"]["requires"]["gpu_architectures"] == ["sm_75", "sm_86", "compute_90"]


def test_a_backend_whose_gpu_code_cannot_be_read_is_no_bundle(world):
    def damage(folder: Path) -> None:
        path = folder / "ggml-cuda.dll"
        path.write_bytes(with_section(path.read_bytes(), ".nv_fatbin", b"no fat binary"))

    world.engine(CUDA, WINDOWS[CUDA].format(tag="b10892"), change=damage)
    world.cudart(CUDA, CUDART)
    done = world.build(CUDA)
    assert done.returncode == 7
    assert "ggml-cuda.dll" in done.stderr


def test_a_cuda_target_without_its_runtime_cannot_even_be_planned(world):
    world.engine(CUDA, WINDOWS[CUDA].format(tag="b10892"))
    done = world.build(CUDA)
    assert done.returncode == 2
    assert "runtime" in done.stderr


def test_a_runtime_archive_that_lacks_what_the_backend_needs_fails_the_proof(world):
    world.engine(CUDA, WINDOWS[CUDA].format(tag="b10892"))
    world.cudart(CUDA, CUDART, change=lambda folder: (folder / "cudart64_12.dll").unlink())
    done = world.build(CUDA)
    assert done.returncode == 10
    assert "cudart64_12.dll" in done.stderr
    assert not (world.user.home / "dist").exists()


def test_an_archive_whose_name_promises_more_than_it_holds_fails_the_proof(world):
    vulkan = "windows-x86_64-vulkan"
    name = WINDOWS[vulkan].format(tag="b10892")
    world.engine(vulkan, name, change=lambda folder: (folder / "ggml-vulkan.dll").unlink())
    done = world.build(vulkan)
    assert done.returncode == 10
    assert "ggml-vulkan.dll" in done.stderr


MACOS = "macos-arm64-metal"
MACOS_ARCHIVE = "llama-b10892-bin-macos-arm64.tar.gz"


def test_a_macos_bundle_keeps_links_and_says_its_floor(world, tmp_path):
    world.engine(MACOS, MACOS_ARCHIVE)
    done = world.build(MACOS)
    assert done.returncode == 0, done.stderr
    artifact = world.made()[MACOS, "b10892"]
    assert artifact["requires"]["macos"] == "13.3"
    world.user.ok("unpack", world.user.home / "dist" / artifact["url"], "--to", tmp_path / "unpacked")
    assert (tmp_path / "unpacked" / "bin" / "libllama.dylib").readlink() == Path("libllama.0.dylib")


def test_a_file_that_asks_for_a_newer_macos_than_the_recipe_allows_is_named(world):
    def stamp(folder: Path) -> None:
        library = next(path for path in folder.glob("libggml-cpu*") if not path.is_symlink())
        library.write_bytes(binaries.fixture("macos-arm64", "backend-macos-26.0").read_bytes())

    world.engine(MACOS, MACOS_ARCHIVE, change=stamp)
    done = world.build(MACOS)
    assert done.returncode == 10
    assert "26.0" in done.stderr
    assert "libggml-cpu" in done.stderr


def test_a_program_for_another_processor_is_named(world):
    def swap(folder: Path) -> None:
        binaries.write_binary(folder / "ggml-base.dll", "windows-arm64", "base")

    world.engine("windows-x86_64-cpu", WINDOWS["windows-x86_64-cpu"].format(tag="b10892"), change=swap)
    done = world.build("windows-x86_64-cpu")
    assert done.returncode == 10
    assert "ggml-base.dll" in done.stderr


@pytest.mark.parametrize(
    ("target", "archive"),
    [
        ("linux-arm64-cpu", "llama-b10892-bin-ubuntu-arm64.tar.gz"),
        ("linux-x86_64-vulkan", "llama-b10892-bin-ubuntu-vulkan-x64.tar.gz"),
        ("windows-arm64-cpu", "llama-b10892-bin-win-cpu-arm64.zip"),
        ("macos-x86_64-cpu", "llama-b10892-bin-macos-x64.tar.gz"),
    ],
)
def test_every_other_platform_is_measured_from_here(world, target, archive):
    world.engine(target, archive)
    done = world.build(target)
    assert done.returncode == 0, done.stderr
    artifact = world.made()[target, "b10892"]
    assert artifact["origin"] == "fetched"
    assert artifact["requires"]["libraries"]


@pytest.mark.parametrize(
    ("target", "archive", "wheel"),
    [
        ("windows-x86_64-cpu", "llama-b10892-bin-win-cpu-x64.zip", "engine_llama_cpp_cpu-10892-py3-none-win_amd64.whl"),
        (
            "macos-arm64-metal",
            "llama-b10892-bin-macos-arm64.tar.gz",
            "engine_llama_cpp_metal-10892-py3-none-macosx_14_0_arm64.whl",
        ),
    ],
)
def test_what_was_fetched_becomes_a_wheel_that_says_for_what_it_is(world, target, archive, wheel):
    world.engine(target, archive)
    assert world.build(target).returncode == 0
    (made,) = world.user.json("wheel", "pack", "--output", "wheels")["wheels"]
    assert (made["file"], made["beyond_tag"]) == (wheel, [])
    with zipfile.ZipFile(world.user.home / "wheels" / wheel) as packed:
        record = json.loads(packed.read(f"{wheel.split('-')[0]}/engine.json"))
        names = set(packed.namelist())
    assert {f"{wheel.split('-')[0]}/tree/{place}" for place in record["installed"]} <= names
    layers = world.made()[target, "b10892"]["layers"]
    assert [layer["tree_sha256"] for layer in record["layers"]] == [layer["tree_sha256"] for layer in layers]


def test_an_environment_is_no_engine_of_programs(world):
    world.engine("windows-x86_64-cpu", "llama-b10892-bin-win-cpu-x64.zip")
    world.build("windows-x86_64-cpu")
    path = world.user.home / "dist" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["artifacts"][0]["environment"] = {"python": "3.14", "base": "host"}
    path.write_text(json.dumps(manifest))
    assert world.user.run("wheel", "pack", "--target", "windows-x86_64-cpu").returncode == 2
    assert world.user.run("wheel", "pack").returncode == 3
