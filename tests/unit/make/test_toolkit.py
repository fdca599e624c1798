"""A toolkit of packages is one folder that compiles; what a vendor made is not touched."""

from __future__ import annotations

import ctypes
import os
import subprocess

import pytest

from pipeline.builders.libraries import digest_of_files, runtime_files
from pipeline.errors import HostError, IntegrityError
from pipeline.make.runtime_layer import make_runtime_layer
from pipeline.make.toolkit import make_toolkit
from pipeline.model.result import StepResult
from pipeline.model.toolkit import DeviceCode, PackagedToolkit, RuntimeLibraries, StubLibrary
from pipeline.model.toolkit_actions import MakeRuntimeLayer, MakeToolkit
from pipeline.system.host import LocalHost
from pipeline.system.processes import ProcessRunner
from tests.simulators.engine_world import services_for
from tests.simulators.small_wheels import SmallWheel

COMPILER = SmallWheel(
    "kit_compiler",
    files={
        "nvidia/kit/bin/kitc": b"#!/bin/sh\n",
        "nvidia/kit/.metadata/sizes.txt": b"1",
        "kit_compiler-1.0.dist-info/licenses/License.txt": b"be nice",
    },
    executable=("nvidia/kit/bin/kitc",),
)
RUNTIME = SmallWheel("kit_runtime", files={"nvidia/kit/lib/libkit.so.1": b"a library", "nvidia/kit/include/kit.h": b""})


@pytest.fixture
def services(tmp_path):
    return services_for(tmp_path, host=LocalHost(ProcessRunner(), {"PATH": os.environ["PATH"]}))


@pytest.fixture
def make(services, tmp_path):
    def run(*wheels, roots=("nvidia/kit",), **changes):
        locked, blobs = [], {}
        for wheel in wheels:
            locked.append(wheel.write(tmp_path / "wheels"))
            copy = tmp_path / wheel.filename
            copy.write_bytes((tmp_path / "wheels" / wheel.filename).read_bytes())
            blobs[wheel.filename] = services.store.add_blob(copy, filename=wheel.filename)
        packaged = PackagedToolkit(version="1.0", platform="linux-x86_64", wheels=tuple(locked), roots=roots, **changes)
        action = MakeToolkit(title="Kit 1.0", fetched="fetch", packaged=packaged, toolchain={})
        work = tmp_path / "work"
        work.mkdir()
        outputs = make_toolkit(action, "step", services, {"fetch": StepResult(key="0" * 64, blobs=blobs)}, work)
        return services.store.tree_path(outputs.trees["toolkit"]), outputs

    return run


def files_of(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def test_packages_are_laid_over_each_other_with_their_licenses_beside_them(make):
    folder, _ = make(COMPILER, RUNTIME, exclude=(".metadata/*",))
    assert files_of(folder) == ["bin/kitc", "include/kit.h", "lib/libkit.so.1", "licenses/kit_compiler/License.txt"]
    assert os.access(folder / "bin/kitc", os.X_OK)


def test_packages_with_a_folder_each_become_one(make):
    apart = SmallWheel("kit_blas", files={"nvidia/blas/lib/libblas.so.1": b"x", "nvidia/blas/__init__.py": b""})
    folder, _ = make(RUNTIME, apart, roots=("nvidia/*",), exclude=("__init__.py",))
    assert files_of(folder) == ["include/kit.h", "lib/libblas.so.1", "lib/libkit.so.1"]


def test_what_packages_put_beside_pythons_folder_is_taken_where_the_recipe_says_so(make):
    old = SmallWheel(
        "kit_old",
        files={
            "kit_old-1.0.data/data/lib/libold.so.1": b"a library",
            "kit_old-1.0.data/data/include/old.h": b"",
            "kit_old/__init__.py": b"",
            "kit_old-1.0.dist-info/LICENSE.txt": b"be nice",
        },
    )
    folder, _ = make(old, roots=(), prefix=True, exclude=("include/*",))
    assert files_of(folder) == ["lib/libold.so.1", "licenses/kit_old/LICENSE.txt"]


def test_links_lead_to_what_is_there(make):
    folder, _ = make(RUNTIME, links={"lib64": "lib", "lib/libkit.so": "libkit.so.1"})
    assert (folder / "lib64/libkit.so").read_bytes() == b"a library"


def test_a_link_to_nothing_is_refused(make):
    with pytest.raises(IntegrityError, match=r"Kit 1.0 1.0 has no libkit.so.9 for the link lib/libkit.so"):
        make(RUNTIME, links={"lib/libkit.so": "libkit.so.9"})


def test_two_packages_with_different_files_in_one_place_are_refused(make):
    other = SmallWheel("kit_other", files={"nvidia/other/include/kit.h": b"another"})
    with pytest.raises(IntegrityError, match=r"different files at include/kit\.h"):
        make(RUNTIME, other, roots=("nvidia/*",))


def test_a_stub_stands_for_the_drivers_library_and_is_the_same_every_time(make, tmp_path):
    stub = StubLibrary(soname="libdriver.so.1", symbols=("driverInit", "driverGet"))
    folder, outputs = make(RUNTIME, stubs={"lib/stubs/libdriver.so": stub})
    library = folder / "lib/stubs/libdriver.so"
    assert ctypes.CDLL(str(library)).driverInit() == -1
    dynamic = subprocess.run(["readelf", "-d", library], capture_output=True, text=True, check=True).stdout
    assert "libdriver.so.1" in dynamic
    (tmp_path / "work").rename(tmp_path / "before")
    _, again = make(RUNTIME, stubs={"lib/stubs/libdriver.so": stub})
    assert outputs.trees == again.trees


def runtime(services, tmp_path, folder, *globs, sha256=None, architectures=(), **libraries):
    action = MakeRuntimeLayer(
        layer_name="kit-1.0-runtime",
        title="Kit 1.0",
        libraries=RuntimeLibraries(files=globs, license_texts=("licenses/*/*",), **libraries),
        architectures=architectures,
        toolkit_dir=str(folder),
        system_sha256=sha256,
        zstd_level=1,
        epoch_seconds=0,
    )
    work = tmp_path / "runtime"
    work.mkdir()
    outputs = make_runtime_layer(action, "step", services, {}, work)
    return services.store.tree_path(outputs.trees["layer"])


def test_the_runtime_lies_beside_the_programs_as_it_is_asked_for(make, services, tmp_path):
    folder, _ = make(COMPILER, RUNTIME, links={"lib64": "lib", "lib/libkit.so": "libkit.so.1"})
    layer = runtime(services, tmp_path, folder, "lib64/libkit.so.[0-9]")
    assert files_of(layer) == ["bin/libkit.so.1", "licenses/kit-1.0-runtime/licenses-kit_compiler-License.txt"]
    assert (layer / "bin/libkit.so.1").read_bytes() == b"a library"


def test_a_runtime_that_the_vendor_renamed_is_named(make, services, tmp_path):
    folder, _ = make(RUNTIME)
    with pytest.raises(HostError, match=r"has no lib/libother\.so"):
        runtime(services, tmp_path, folder, "lib/libother.so")


def test_libraries_without_a_text_of_their_license_are_no_layer(make, services, tmp_path):
    folder, _ = make(RUNTIME)
    with pytest.raises(HostError, match=r"has no license text \(licenses/\*/\*\)"):
        runtime(services, tmp_path, folder, "lib/libkit.so.1")


def test_libraries_of_the_system_that_changed_since_the_plan_are_refused(make, services, tmp_path):
    folder, _ = make(COMPILER, RUNTIME)
    with pytest.raises(IntegrityError, match="changed since the plan was made"):
        runtime(services, tmp_path, folder, "lib/libkit.so.1", sha256="0" * 64)


@pytest.fixture
def gpu_toolkit(tmp_path):
    """Return a toolkit whose library has GPU code in files of its own, as rocBLAS has."""
    lib = tmp_path / "rocm/lib/x86_64-linux-gnu"
    code = lib / "rocblas/4.4.1/library"
    code.mkdir(parents=True)
    (lib / "libblas.so.4.4").write_bytes(b"a library")
    (lib / "libblas.so.4").symlink_to("libblas.so.4.4")
    for name in ("Type_SS_gfx1100.co", "Kernels-gfx90a-xnack-.hsaco", "lazy_gfx1100.dat", "lazy_gfx90a.dat"):
        (code / name).write_bytes(name.encode())
    (code / "fallback.dat").write_bytes(b"for all")
    (tmp_path / "rocm/licenses/blas").mkdir(parents=True)
    (tmp_path / "rocm/licenses/blas/LICENSE").write_text("be nice")
    return tmp_path / "rocm"


BLAS = {
    "folders": ("lib", "lib/x86_64-linux-gnu"),
    "device_code": (DeviceCode(folder="rocblas/**/library", pattern="(gfx[0-9a-f]+)"),),
}


def test_gpu_code_is_cut_to_the_gpus_and_lies_where_the_library_looks_for_it(gpu_toolkit, services, tmp_path):
    layer = runtime(services, tmp_path, gpu_toolkit, "libblas.so.[0-9]", architectures=("gfx1100",), **BLAS)
    assert files_of(layer) == [
        "bin/libblas.so.4",
        "bin/rocblas/4.4.1/library/Type_SS_gfx1100.co",
        "bin/rocblas/4.4.1/library/fallback.dat",
        "bin/rocblas/4.4.1/library/lazy_gfx1100.dat",
        "licenses/kit-1.0-runtime/licenses-blas-LICENSE",
    ]


def test_a_gpu_for_which_the_toolkit_has_no_code_is_refused_with_those_that_it_has(gpu_toolkit, services, tmp_path):
    with pytest.raises(HostError, match=r"no rocblas/\*\*/library for gfx1201; it has it for gfx1100, gfx90a"):
        runtime(services, tmp_path, gpu_toolkit, "libblas.so.4", architectures=("gfx90a", "gfx1201"), **BLAS)


def test_code_that_a_library_does_without_need_not_be_there(gpu_toolkit, services, tmp_path):
    code = (DeviceCode(folder="hipblaslt/**/library", pattern="(gfx[0-9a-f]+)", every=False),)
    libraries = {**BLAS, "device_code": code, "optional": ("libhipblaslt.so.[0-9]",)}
    layer = runtime(services, tmp_path, gpu_toolkit, "libblas.so.4", architectures=("gfx1201",), **libraries)
    assert "bin/libblas.so.4" in files_of(layer)
    assert not [path for path in files_of(layer) if "hipblaslt" in path]


def test_the_digest_of_a_runtime_is_that_of_the_gpus_that_are_shipped(gpu_toolkit):
    def digest(*architectures):
        libraries = RuntimeLibraries(files=("libblas.so.4",), **BLAS)
        return digest_of_files(runtime_files(gpu_toolkit, libraries, architectures))

    before, other = digest("gfx1100"), digest("gfx90a")
    assert before != other
    code = gpu_toolkit / "lib/x86_64-linux-gnu/rocblas/4.4.1/library"
    (code / "lazy_gfx1100.dat").write_bytes(b"changed")
    assert digest("gfx1100") != before
    assert digest("gfx90a") == other
