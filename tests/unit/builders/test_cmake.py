from __future__ import annotations

import pytest

from pipeline.builders import cmake
from pipeline.model.recipe import Component

PATHS = cmake.Paths(source="/s", build="/b", unity="/u.cmake", cmake="/cmake", ninja="/ninja", cc="/gcc", cxx="/g++")


def configure(**changes: object) -> tuple[str, ...]:
    arguments = {
        "options": {"X": "ON"},
        "unity": "",
        "compile_flags": (),
        "link_flags": (),
        "launcher": None,
        "languages": {},
    }
    arguments |= changes
    return cmake.configure_argv(arguments.pop("paths", PATHS), **arguments)


def test_the_place_of_a_build_is_mapped_away_in_what_compilers_write():
    (flags,) = [a for a in configure(compile_flags=("-g1",)) if a.startswith("-DCMAKE_CXX_FLAGS=")]
    assert flags == "-DCMAKE_CXX_FLAGS=-g1 -ffile-prefix-map=/s=/src -ffile-prefix-map=/b=/build"


def test_gcc_gets_the_maps_in_a_form_that_a_compiler_cache_leaves_out_of_its_keys():
    (flags,) = [a for a in configure(vendor="gcc") if a.startswith("-DCMAKE_C_FLAGS=")]
    assert flags == (
        "-DCMAKE_C_FLAGS=-Xpreprocessor -ffile-prefix-map=/s=/src -Xpreprocessor -ffile-prefix-map=/b=/build"
    )


def test_gccs_linker_gets_them_plainly_for_link_time_optimization():
    (flags,) = [a for a in configure(vendor="gcc", link_flags=("-z",)) if a.startswith("-DCMAKE_EXE_LINKER_FLAGS=")]
    assert flags == "-DCMAKE_EXE_LINKER_FLAGS=-z -ffile-prefix-map=/s=/src -ffile-prefix-map=/b=/build"


def test_a_place_with_spaces_stays_one_argument():
    paths = PATHS._replace(source="/some where")
    argv = configure(paths=paths)
    assert '"-ffile-prefix-map=/some where=/src"' in next(a for a in argv if a.startswith("-DCMAKE_CXX_FLAGS="))


def test_nothing_may_be_downloaded_while_configuring():
    assert "-DFETCHCONTENT_FULLY_DISCONNECTED=ON" in configure()
    env = cmake.environment({"PATH": "/bin", "HTTPS_PROXY": "http://proxy"}, epoch_seconds=7)
    assert env["HTTPS_PROXY"] == "http://127.0.0.1:9"


def test_a_build_sees_which_developer_tools_were_named():
    env = cmake.environment({"PATH": "/bin", "DEVELOPER_DIR": "/Xcode.app"}, epoch_seconds=7)
    assert env["DEVELOPER_DIR"] == "/Xcode.app"


def test_a_builds_environment_has_nothing_of_the_users_but_where_things_are():
    env = cmake.environment({"PATH": "/bin", "HOME": "/h", "CFLAGS": "-march=native", "LANG": "de_DE"}, epoch_seconds=7)
    assert "CFLAGS" not in env
    assert (env["LC_ALL"], env["TZ"], env["SOURCE_DATE_EPOCH"]) == ("C", "UTC", "7")


def test_a_compiler_cache_is_a_launcher_of_both_compilers():
    argv = configure(launcher="/ccache")
    assert "-DCMAKE_C_COMPILER_LAUNCHER=/ccache" in argv
    assert "-DCMAKE_CXX_COMPILER_LAUNCHER=/ccache" in argv


def test_flags_and_launcher_are_for_every_language_of_a_component():
    argv = configure(paths=PATHS._replace(toolkit="/t"), languages={"CUDA": ("-lineinfo",)}, launcher="/ccache")
    (flags,) = [a for a in argv if a.startswith("-DCMAKE_CUDA_FLAGS=")]
    assert flags.split("=", 1)[1].split() == [
        "-lineinfo",
        "-Xcompiler=-ffile-prefix-map=/s=/src",
        "-Xcompiler=-ffile-prefix-map=/b=/build",
        "-Xcompiler=-ffile-prefix-map=/t=/toolkit",
    ]
    assert "-DCMAKE_CUDA_COMPILER_LAUNCHER=/ccache" in argv
    assert not [a for a in configure(launcher="/ccache") if "CUDA" in a]


def test_the_folder_of_a_toolkit_is_mapped_away_too():
    (flags,) = [a for a in configure(paths=PATHS._replace(toolkit="/t")) if a.startswith("-DCMAKE_CXX_FLAGS=")]
    assert "-ffile-prefix-map=/t=/toolkit" in flags


def test_only_the_wanted_targets_are_built():
    assert cmake.build_argv(PATHS, targets=["a", "b"], jobs=2) == ("/ninja", "-C", "/b", "-j", "2", "a", "b")


def test_unity_settings_become_one_cmake_list():
    component = Component(
        role="core",
        cmake_targets=("x",),
        outputs=("x",),
        unity={"b": 0, "a": 8},
        unity_excluded={"a": ("x.cpp", "y.cpp")},
    )
    assert cmake.unity_list(component) == "a=8,x.cpp,y.cpp;b=0"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("[3/280] Building CXX object a.o", (3, 280, "Building CXX object a.o")),
        ("-- Configuring done", None),
        ("[x/280] no", None),
    ],
)
def test_progress_is_read_from_ninja_status_lines(line, expected):
    assert cmake.parse_progress(line) == expected


def test_an_option_the_source_never_declared_is_named_with_its_likely_successor():
    cache = cmake.parse_cache(
        "# comment\nGGML_CUDA:BOOL=OFF\nLLAMA_CUBLAS:UNINITIALIZED=ON\n"
        "GGML_CUDAA:UNINITIALIZED=ON\nCMAKE_X:UNINITIALIZED=1\n"
    )
    unknown = cmake.unknown_options(["GGML_CUDA", "GGML_CUDAA", "CMAKE_X"], cache)
    assert unknown == {"GGML_CUDAA": ["GGML_CUDA"]}


def test_variables_of_a_package_that_was_found_are_declared_elsewhere():
    found, lost = (
        cmake.parse_cache(f"MKL_DIR:PATH={place}\nMKL_THREADING:UNINITIALIZED=tbb_thread\n")
        for place in ("/opt/mkl/lib/cmake/mkl", "MKL_DIR-NOTFOUND")
    )
    assert cmake.unknown_options(["MKL_THREADING"], found) == {}
    assert cmake.unknown_options(["MKL_THREADING"], lost) == {"MKL_THREADING": []}


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["x.cpp:1:2: warning: w", "x.cpp:10:3: error: no", "y.cpp:1:1: error: later"], "x.cpp:10: no"),
        (["x.h:3:10: fatal error: missing.h: No such file"], "x.h:3: missing.h: No such file"),
        (["/usr/bin/ld: a.o: undefined reference to `f'"], "/usr/bin/ld: a.o: undefined reference to `f'"),
        (["all is well"], None),
    ],
)
def test_the_first_error_is_found_with_its_file_and_line(lines, expected):
    assert cmake.first_error(lines) == expected


def test_instruction_set_extensions_are_read_from_what_compilers_were_told():
    commands = [
        {"command": "g++ -mavx2 -mfma -m64 -march=x86-64 -o src/CMakeFiles/ggml-cpu.dir/a.o -c a.cpp"},
        {"command": "g++ -mbmi2 -o src/CMakeFiles/ggml-cpu.dir/b.o -c b.cpp"},
        {"command": "g++ -O3 -o src/CMakeFiles/llama.dir/b.o -c b.cpp"},
    ]
    assert cmake.cpu_features(commands) == {"ggml-cpu": frozenset({"avx2", "fma", "bmi2"}), "llama": frozenset()}


def test_a_whole_architecture_stands_for_itself_and_no_recipe_admits_it_by_accident():
    commands = [{"command": "g++ -march=native -mcmodel=large -mtune=generic -o a/CMakeFiles/core.dir/a.o -c a.cpp"}]
    assert cmake.cpu_features(commands) == {"core": frozenset({"march=native"})}
