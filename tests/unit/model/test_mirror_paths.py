from __future__ import annotations

import pytest

from pipeline.model.mirror_paths import is_public, metadata_folder_of, sha256_of_blob

DIGEST = "ab" * 32


@pytest.mark.parametrize(
    "path",
    ["metadata/timestamp.json", "metadata/12.engine-llama.cpp.json", "lanes/airgap/metadata/1.root.json",
     f"blobs/ab/{DIGEST}", "installer/install.sh", "installer/wheels/click-8.3-py3-none-any.whl", "models/m.gguf",
     "manifest.json", "mirror.json", "README.txt"],
)  # fmt: skip
def test_what_is_for_others(path):
    assert is_public(path)


@pytest.mark.parametrize(
    "path",
    ["", ".", "..", "metadata", "metadata/", "metadata/a/b.json", "metadata/../mirror.json", ".mirror/root.json",
     "lanes/airgap/blobs/x", "lanes/../metadata/x.json", f"blobs/00/{DIGEST}", f"blobs/AB/{DIGEST.upper()}",
     f"blobs/ab/{DIGEST}x", "blobs/ab/short", "installer", "installer/", "installer/.git/config", "models/a//b",
     "models/a.", "models/a b", "models/a\\b", "models/a:b", "models/a\n", "models/\u202egguf.exe", "/manifest.json",
     "manifest.json/", "MANIFEST.JSON", "README", "models/" + "a/" * 9 + "b", "models/" + "a" * 300],
)  # fmt: skip
def test_what_is_not(path):
    assert not is_public(path)


def test_what_a_path_says():
    assert sha256_of_blob(f"blobs/ab/{DIGEST}") == DIGEST
    assert sha256_of_blob("metadata/timestamp.json") is None
    assert metadata_folder_of("lanes/airgap/metadata/timestamp.json") == "lanes/airgap/metadata"
    assert metadata_folder_of("models/metadata") is None
