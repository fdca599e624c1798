"""Libraries without a search path: found where whatever leads to them has loaded what they need."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from pipeline.errors import ProofError
from pipeline.make.linkage import check_linkage, read_cards
from pipeline.system.binaries import FileInspector

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("cc") is None, reason="needs a C compiler that makes ELF files"
)
SYSTEM = ("libc.so.6", "ld-linux-*", "libgcc_s.so.1")


@pytest.fixture
def library(tmp_path):
    """Return what compiles a library of one function that needs others, with a search path or without."""
    folder = tmp_path / "bundle/bin"
    folder.mkdir(parents=True)

    def make(name, *needs, searches=False):
        source = tmp_path / "one.c"
        source.write_text(f"int {name}(void) {{ return 1; }}\n")
        path = ["-Wl,-rpath,$ORIGIN"] if searches else []
        linked = [f"-l:lib{need}.so.1" for need in needs]
        flags = ["-Wl,--no-as-needed", "-Wl,--allow-shlib-undefined", f"-Wl,-soname,lib{name}.so.1", f"-L{folder}"]
        made = folder / f"lib{name}.so.1"
        subprocess.run(["cc", "-shared", "-fPIC", "-o", made, source, *flags, *path, *linked], check=True)
        return made

    return make


def loads(plugin):
    """Tell whether the loader agrees, in a process that has loaded none of it."""
    argv = [sys.executable, "-c", "import ctypes, sys; ctypes.CDLL(sys.argv[1])", str(plugin)]
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0


def check(tmp_path):
    root = tmp_path / "bundle"
    return check_linkage(root, read_cards(root, FileInspector()), SYSTEM)


def test_what_the_plug_in_itself_needs_is_there_for_its_libraries(library, tmp_path):
    library("threads")
    library("blas", "threads")
    plugin = library("plugin", "blas", "threads", searches=True)
    assert loads(plugin)
    assert check(tmp_path).libraries == ("libc.so.6",)


def test_what_nothing_has_loaded_is_missing_though_it_lies_beside_the_file(library, tmp_path):
    library("threads")
    library("blas", "threads")
    plugin = library("plugin", "blas", searches=True)
    assert not loads(plugin)
    with pytest.raises(ProofError, match=r"libblas\.so\.1 needs libthreads\.so\.1, which is neither"):
        check(tmp_path)


def test_every_file_that_leads_to_a_library_must_have_loaded_it(library, tmp_path):
    library("threads")
    library("blas", "threads")
    library("plugin", "blas", "threads", searches=True)
    library("other", "blas", searches=True)
    with pytest.raises(ProofError, match=r"libblas\.so\.1 needs libthreads\.so\.1"):
        check(tmp_path)


def test_what_a_library_opens_by_name_comes_after_the_rest(library, tmp_path):
    library("core")
    library("kernels", "core")  # nothing needs it: the core opens it when it knows the processor
    library("plugin", "core", searches=True)
    assert check(tmp_path).libraries == ("libc.so.6",)
