from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from pipeline.digest import sha256_bytes
from pipeline.errors import HostError, UsageError
from pipeline.model.actions import Prove
from pipeline.model.host import ApiDevice, HostFacts, Tool
from pipeline.model.toolkit import ToolkitPlace
from pipeline.names import parse_target
from pipeline.plan import BuildRequest, find_toolkits, look_around, make_plan
from pipeline.system.trees import FileTreeReader

VULKAN = parse_target("llama.cpp/linux-x86_64-vulkan")
ROCM = parse_target("llama.cpp/linux-x86_64-rocm-6.4")
SYCL = parse_target("llama.cpp/linux-x86_64-sycl")
AVX2 = parse_target("llama.cpp/linux-x86_64-avx2")


class Host:
    """A machine with the tools it is told to have."""

    def __init__(self, **versions):
        self.versions = {
            **dict.fromkeys(("cc", "cxx", "cmake", "ninja", "strip", "objcopy", "node", "npm"), "99.0"),
            **versions,
        }

    def facts(self):
        return HostFacts(
            platform="linux-x86_64", system="test", cpu_count=1, cpu_features=(), glibc="2.36", memory_bytes=0
        )

    def tool(self, name, *, minimum=None):
        version = self.versions[name]
        if version is None or (minimum and float(version) < float(minimum)):
            return None
        return Tool(name=name, path=f"/usr/bin/{name}", version=version, vendor="gcc" if name[0] == "c" else "")

    def free_bytes(self, path):
        raise AssertionError(path)


@dataclass
class Around:
    """What is looked at; upstream's archives are where ``unreachable`` does not say otherwise."""

    host: Host
    trees: FileTreeReader
    reason: str = ""

    @property
    def downloader(self):
        return self

    def unreachable(self, request):
        assert request.urls
        return self.reason


def look(catalog, request=None, **versions):
    return look_around(request or BuildRequest((AVX2,)), catalog, Around(Host(**versions), FileTreeReader()))


class VulkanHost(Host):
    """A machine with a GPU."""

    def survey(self):
        gpu = ApiDevice(name="a GPU", kind="discrete", api="1.3.0")
        return self.facts().model_copy(update={"vulkan_loader": True, "vulkan_devices": (gpu,)})


def test_the_model_that_a_gpu_is_proven_with_is_digested(catalog, tmp_path):
    model = tmp_path / "m.gguf"
    model.write_bytes(b"GGUF")
    request = BuildRequest((VULKAN,), source="fetch", model_file=model)
    inputs = look_around(request, catalog, Around(VulkanHost(), FileTreeReader()))
    assert inputs.model_sha256 == sha256_bytes(b"GGUF")
    proof = next(s.action for s in make_plan(request, catalog, inputs).steps if isinstance(s.action, Prove))
    assert (proof.level, proof.model_file_sha256) == ("run", inputs.model_sha256)


@pytest.mark.parametrize(
    ("missing", "hint"),
    [("cxx", "apt install g++"), ("cmake", "engine-pipeline[build]"), ("strip", "binutils")],
)
def test_a_missing_tool_says_what_to_install(catalog, missing, hint):
    with pytest.raises(HostError) as caught:
        look(catalog, **{missing: None})
    assert hint in caught.value.hint
    assert caught.value.exit_code == 5


def test_a_compiler_that_is_too_old_is_refused(catalog):
    with pytest.raises(HostError, match=r"gcc 8\.3, and 9 or newer"):
        look(catalog, cxx="8.3")


def test_a_cmake_older_than_the_recipe_asks_does_not_count(catalog):
    with pytest.raises(HostError, match=r"cmake 3\.28 or newer"):
        look(catalog, cmake="3.25")


def test_node_is_looked_for_only_when_the_web_interface_is_wanted(catalog):
    look(catalog, node=None)
    with pytest.raises(HostError, match="node 20 or newer"):
        look(catalog, BuildRequest((AVX2,), web_ui=True), node="18.0")


def test_a_model_that_cannot_be_read_is_a_usage_error(catalog, tmp_path):
    with pytest.raises(UsageError, match=r"no\.gguf"):
        look(catalog, BuildRequest((AVX2,), model_file=tmp_path / "no.gguf"))


class ToolkitHost(Host):
    """A machine with a toolkit that is whole."""

    def __init__(self, path, version):
        super().__init__()
        self.place = ToolkitPlace(path=str(path), version=version)

    def toolkits(self, toolkit, version, *, folder=None):
        assert toolkit.places
        assert version is not None
        assert folder is None
        return (self.place,)


@pytest.fixture
def rocm(tmp_path):
    """Return a folder with what bundles bring of ROCm, with kernels for one GPU."""
    code = tmp_path / "rocm/lib/rocblas/library"
    code.mkdir(parents=True)
    (code / "TensileLibrary_lazy_gfx1100.dat").touch()
    for name in ("libhipblas.so.2", "librocblas.so.4"):
        (tmp_path / "rocm/lib" / name).write_text(name)
    (tmp_path / "rocm/share/doc/rocblas").mkdir(parents=True)
    (tmp_path / "rocm/share/doc/rocblas/LICENSE.md").write_text("be nice")
    return tmp_path / "rocm"


def toolkits(catalog, target, host, *architectures):
    request = BuildRequest((target,), source="build", prove="none", architectures=architectures)
    return look_around(request, catalog, Around(host, FileTreeReader())).toolkits[str(target)]


def test_gpu_code_that_a_toolkit_lacks_is_missed_before_anything_is_compiled(catalog, rocm):
    found = toolkits(catalog, ROCM, ToolkitHost(rocm, "6.4"), "gfx1100")
    assert (found.origin, found.path, len(found.runtime_sha256)) == ("system", str(rocm), 64)
    with pytest.raises(HostError, match=r"no rocblas/\*\*/library for gfx1030; it has it for gfx1100"):
        toolkits(catalog, ROCM, ToolkitHost(rocm, "6.4"), "gfx1030")


def test_the_digest_of_a_runtime_is_taken_only_of_what_is_built(catalog, rocm):
    request = BuildRequest((ROCM,), source="build", prove="none", architectures=("gfx1100",))
    found, lacking = find_toolkits(request, catalog, ToolkitHost(rocm, "6.4"))
    assert (found[str(ROCM)].path, found[str(ROCM)].runtime_sha256, lacking) == (str(rocm), None, {})
    _, lacking = find_toolkits(replace(request, architectures=("gfx1030",)), catalog, ToolkitHost(rocm, "6.4"))
    assert "for gfx1030" in lacking[str(ROCM)].message, "what is lacking shows all the same"


def test_a_runtime_of_packages_is_not_looked_for_in_the_compilers_folder(catalog, tmp_path):
    found = toolkits(catalog, SYCL, ToolkitHost(tmp_path / "oneapi", "2026.1"), "release")
    assert (found.path, found.runtime_sha256) == (str(tmp_path / "oneapi"), None)
