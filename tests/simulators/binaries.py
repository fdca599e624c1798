"""Folders of small real binaries, laid out as upstream's archives are; see tests/fixtures/binaries/README.md."""

from __future__ import annotations

from pathlib import Path

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures" / "binaries"

_LIBRARIES = {"base": "ggml-base", "ggml": "ggml", "llama": "llama"}
_MACOS_LIBRARIES = {
    "macos-arm64": {"backend": "ggml-cpu", "metal": "ggml-metal"},
    "macos-x86_64": {"backend": "ggml-cpu"},
}
_VARIANTS = {
    "linux-x86_64": ("x64", "haswell"),
    "linux-arm64": ("armv8.0_1", "armv8.2_1"),
    "macos-arm64": (),
    "macos-x86_64": (),
    "windows-x86_64": ("x64", "haswell"),
    "windows-arm64": ("armv8.0_1", "armv8.2_1"),
}
_OPENMP = {"windows-x86_64": "libomp140.x86_64.dll", "windows-arm64": "libomp140.aarch64.dll"}
_FIXTURE_CUDA_MAJOR = 12


def fixture(platform: str, role: str) -> Path:
    """Return the fixture of a role for a platform."""
    return FIXTURES / platform / role


def write_binary(path: Path, platform: str, role: str, *, cuda_major: int = _FIXTURE_CUDA_MAJOR) -> Path:
    """Write a role's binary to ``path``, executable; ``cuda_major`` is the one whose runtime it names or is."""
    data = fixture(platform, role).read_bytes()
    for name in ("libcudart.so.", "cudart64_"):
        data = data.replace(f"{name}{_FIXTURE_CUDA_MAJOR}".encode(), f"{name}{cuda_major}".encode())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(0o755)
    return path


def write_engine(
    folder: Path,
    platform: str,
    accel: str = "cpu",
    *,
    programs: tuple[str, ...] = ("llama-server", "llama-bench", "llama-cli"),
    build_number: int = 10892,
) -> tuple[str, ...]:
    """Write what an engine's archive for (platform, accel) holds, flat, and return the names, sorted.

    Libraries of Linux and macOS come with their chains of links. macOS has one archive a processor: cpu for x86_64,
    metal for arm64, whose backends are libraries and no plug-ins. A CUDA backend needs the files of
    ``write_cuda_runtime`` beside it, as upstream's does.
    """
    system = platform.partition("-")[0]
    for program in programs:
        write_binary(folder / (f"{program}.exe" if system == "windows" else program), platform, "program")
    libraries = _LIBRARIES | (_MACOS_LIBRARIES[platform] if system == "macos" else {})
    for role, stem in libraries.items():
        _write_library(folder, platform, role, stem, version=f"0.{build_number}")
    for variant in _VARIANTS[platform]:
        write_binary(folder / plugin_name(platform, f"cpu-{variant}"), platform, "backend")
    if platform in _OPENMP:
        write_binary(folder / _OPENMP[platform], platform, "openmp")
    kind, _, version = accel.partition("-")
    if kind not in {"cpu", "metal"}:
        major = int(version.partition(".")[0] or _FIXTURE_CUDA_MAJOR)
        write_binary(folder / plugin_name(platform, kind), platform, kind, cuda_major=major)
    (folder / "LICENSE").write_text("MIT License\n")
    return tuple(sorted(path.name for path in folder.iterdir()))


def write_cuda_runtime(folder: Path, platform: str, *, major: int = _FIXTURE_CUDA_MAJOR) -> tuple[str, ...]:
    """Write what a cudart archive holds, flat, and return the names, sorted."""
    windows = platform.startswith("windows")
    names = [
        f"{part}64_{major}.dll" if windows else f"lib{part}.so.{major}" for part in ("cudart", "cublas", "cublasLt")
    ]
    for name in names:
        write_binary(folder / name, platform, "cudart", cuda_major=major)
    return tuple(sorted(names))


def plugin_name(platform: str, backend: str) -> str:
    """Return the file name of a backend plug-in of Linux or Windows, for example ``ggml-cuda.dll``."""
    return f"ggml-{backend}.dll" if platform.startswith("windows") else f"libggml-{backend}.so"


def _write_library(folder: Path, platform: str, role: str, stem: str, *, version: str) -> None:
    """Write a library and the links to it: ``libllama.so -> libllama.so.0 -> libllama.so.0.0.10892``."""
    match platform.partition("-")[0]:
        case "windows":
            write_binary(folder / f"{stem}.dll", platform, role)
            return
        case "macos":
            names = [f"lib{stem}{part}.dylib" for part in ("", ".0", f".0.{version}")]
        case _:
            names = [f"lib{stem}.so{part}" for part in ("", ".0", f".0.{version}")]
    write_binary(folder / names[2], platform, role)
    for link, target in ((names[1], names[2]), (names[0], names[1])):
        (folder / link).unlink(missing_ok=True)
        (folder / link).symlink_to(target)
