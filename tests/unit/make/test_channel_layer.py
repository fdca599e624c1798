"""A channel in a bundle has the very packages that are locked, and says how long a prefix may be."""

from __future__ import annotations

import io
import json
import tarfile

import pytest

from pipeline.digest import sha256_bytes
from pipeline.errors import IntegrityError
from pipeline.make.channel_layer import make_channel_layer
from pipeline.make.conda_archive import read_conda_info
from pipeline.model.environment import CondaPackage
from pipeline.model.environment_actions import MakeChannelLayer
from pipeline.model.result import StepResult
from tests.simulators.conda_packages import PLACEHOLDER, Member
from tests.simulators.conda_packages import CondaPackage as Made
from tests.simulators.engine_world import services_for

CHANNEL = "https://conda.example/conda-forge"


def locked(package, data, **changes):
    fields = {
        "name": package.name,
        "version": package.version,
        "build": package.build,
        "build_number": package.build_number,
        "subdir": package.subdir,
        "filename": package.filename,
        "url": f"{CHANNEL}/{package.subdir}/{package.filename}",
        "sha256": sha256_bytes(data),
        "md5": "0" * 32,
        "size_bytes": len(data),
        "license": package.license,
        "depends": package.depends,
        "noarch": package.noarch,
        "timestamp": package.timestamp,
    }
    return CondaPackage(**{**fields, **changes})


@pytest.fixture
def make(tmp_path):
    services = services_for(tmp_path)

    def run(*packages, work="work", encode=Made.encode, **changes):
        records, blobs = [], {}
        for package in packages:
            data = encode(package)
            path = tmp_path / package.filename
            path.write_bytes(data)
            blobs[package.filename] = services.store.add_blob(path, filename=package.filename)
            records.append(locked(package, data, **changes))
        action = MakeChannelLayer(
            layer_name="base",
            fetched="fetch",
            packages=tuple(records),
            subdir="osx-arm64",
            zstd_level=1,
            epoch_seconds=0,
        )
        folder = tmp_path / work
        folder.mkdir()
        outputs = make_channel_layer(action, "step", services, {"fetch": StepResult(key="0" * 64, blobs=blobs)}, folder)
        return outputs, services.store.tree_path(outputs.trees["layer"])

    return run


LIBRARY = Made(
    "zlib", "1.3", {"lib/libz.dylib": Member(PLACEHOLDER.encode() + b"\0", binary=True)}, subdir="osx-arm64",
    depends=("__osx >=11.0",), license="Zlib",
)  # fmt: skip
TEXT = Made("texts", "2", {"bin/tell": Member(b"#!" + PLACEHOLDER[:20].encode())}, subdir="noarch", noarch="generic")


def test_packages_lie_byte_for_byte_beside_the_index_of_their_subdir(make):
    outputs, tree = make(LIBRARY, TEXT)
    assert (tree / "conda/osx-arm64/zlib-1.3-0.conda").read_bytes() == LIBRARY.encode()
    assert (tree / "conda/noarch/texts-2-0.conda").read_bytes() == TEXT.encode()
    index = json.loads((tree / "conda/osx-arm64/repodata.json").read_text())
    assert index["info"] == {"subdir": "osx-arm64"}
    assert index["packages"] == {}
    assert index["packages.conda"] == {
        "zlib-1.3-0.conda": {
            "name": "zlib",
            "version": "1.3",
            "build": "0",
            "build_number": 0,
            "subdir": "osx-arm64",
            "url": "https://conda.example/conda-forge/osx-arm64/zlib-1.3-0.conda",
            "sha256": sha256_bytes(LIBRARY.encode()),
            "md5": "0" * 32,
            "size": len(LIBRARY.encode()),
            "license": "Zlib",
            "depends": ["__osx >=11.0"],
            "constrains": [],
            "timestamp": LIBRARY.timestamp,
        }
    }
    listed = json.loads((tree / "conda/noarch/repodata.json").read_text())
    assert listed["packages.conda"]["texts-2-0.conda"]["noarch"] == "generic"
    assert outputs.facts["role"] == "base"


def test_the_index_of_the_platform_is_there_where_no_package_is_of_it(make):
    _, tree = make(TEXT)
    assert json.loads((tree / "conda/osx-arm64/repodata.json").read_text())["packages.conda"] == {}


def test_packages_are_named_with_their_license_and_package_url(make):
    outputs, _ = make(LIBRARY)
    assert outputs.facts["packages"] == [
        {
            "name": "zlib",
            "version": "1.3",
            "license": "Zlib",
            "purl": "pkg:conda/zlib@1.3?build=0&channel=conda-forge&subdir=osx-arm64&type=conda",
            "sha256": sha256_bytes(LIBRARY.encode()),
        }
    ]


def test_the_shortest_placeholder_of_a_binary_bounds_the_prefix(make):
    assert make(LIBRARY, TEXT)[0].facts["prefix_limit"] == len(PLACEHOLDER)
    assert make(TEXT, work="again")[0].facts["prefix_limit"] is None


def test_an_old_archive_says_the_same_as_a_new_one(tmp_path):
    index = json.dumps(LIBRARY.index).encode()
    paths = json.dumps(
        {"paths": [{"_path": "a", "prefix_placeholder": "/twelve/bytes", "file_mode": "binary"}], "paths_version": 1}
    ).encode()
    packed = tmp_path / "zlib-1.3-0.tar.bz2"
    with tarfile.open(packed, "w:bz2") as archive:
        for name, data in (("lib/x", b"x"), ("info/index.json", index), ("info/paths.json", paths)):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    found = read_conda_info(packed)
    assert (found.named.name, found.named.version, found.prefix_limit) == ("zlib", "1.3", len("/twelve/bytes"))


def test_the_same_packages_give_the_same_bytes(make):
    first, second = make(LIBRARY, TEXT)[0], make(LIBRARY, TEXT, work="again")[0]
    assert (first.trees, first.blobs) == (second.trees, second.blobs)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"version": "1.4"}, "calls itself zlib 1.3 0, build number 0"),
        ({"build_number": 3}, "not as its record does"),
        ({"sha256": "0" * 64}, "was not brought as it is locked"),
    ],
)
def test_a_record_that_the_package_contradicts_is_refused(make, changes, said):
    with pytest.raises(IntegrityError, match=said):
        make(LIBRARY, **changes)


@pytest.mark.parametrize("data", [b"PK no zip", LIBRARY.encode()[:-30], LIBRARY.encode().replace(b"info-", b"inf0-")])
def test_what_is_no_package_is_refused(make, data):
    with pytest.raises(IntegrityError, match=r"zlib-1\.3-0\.conda"):
        make(LIBRARY, encode=lambda _: data)
