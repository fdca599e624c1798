"""ci/apt_repository with a real gpg and a web server on loopback: the pinned key is taken, and no other one."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.simulators.command_line import PROJECT
from tests.simulators.web import serving

pytestmark = pytest.mark.skipif(not (shutil.which("gpg") and shutil.which("curl")), reason="needs gpg and curl")


@dataclass(frozen=True)
class Vendor:
    """A vendor's key file with two keys, and the fingerprints of both."""

    folder: Path
    fingerprints: tuple[str, str]


def gpg(home: Path, *arguments: str) -> str:
    done = subprocess.run(["gpg", "--batch", "--homedir", home, *arguments], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture(scope="module")
def vendor(tmp_path_factory) -> Vendor:
    home, folder = tmp_path_factory.mktemp("g", numbered=True), tmp_path_factory.mktemp("vendor")
    home.chmod(0o700)
    for name in ("new", "old"):
        gpg(home, "--passphrase", "", "--quick-gen-key", f"{name}@vendor.example", "ed25519", "sign", "0")
    (folder / "keys.asc").write_text(gpg(home, "--armor", "--export"))
    listing = [line.split(":") for line in gpg(home, "--with-colons", "--list-keys").splitlines()]
    found = [fields[9] for fields in listing if fields[0] == "fpr"]
    subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False)
    return Vendor(folder, (found[0], found[1]))


def add(vendor: Vendor, etc: Path, key: str, **more: str) -> subprocess.CompletedProcess[str]:
    with serving(vendor.folder) as (url, _):
        return subprocess.run(
            [PROJECT / "ci" / "apt_repository"],
            env={
                "PATH": os.environ["PATH"],
                "APT_ETC": str(etc),
                "APT_NAME": "vendor",
                "APT_URL": "https://apt.vendor.example/debian",
                "APT_SUITE": "noble",
                "APT_COMPONENTS": "main extra",
                "APT_KEY_URL": f"{url}/{more.pop('name', 'keys.asc')}",
                "APT_KEY": key,
                **more,
            },
            capture_output=True,
            text=True,
            check=False,
        )


def test_only_the_pinned_key_is_trusted_for_the_repository(vendor, tmp_path):
    done = add(vendor, tmp_path, vendor.fingerprints[0], APT_PRIORITY="600")
    assert done.returncode == 0, done.stderr
    keyring = tmp_path / "keyrings" / "vendor.gpg"
    shown = subprocess.run(
        ["gpg", "--show-keys", "--with-colons", keyring], capture_output=True, text=True, check=True
    ).stdout
    assert [line.split(":")[9] for line in shown.splitlines() if line.startswith("fpr")] == [vendor.fingerprints[0]]
    assert (tmp_path / "sources.list.d" / "vendor.list").read_text() == (
        f"deb [signed-by={keyring}] https://apt.vendor.example/debian noble main extra\n"
    )
    assert (tmp_path / "preferences.d" / "vendor").read_text() == (
        'Package: *\nPin: origin "apt.vendor.example"\nPin-Priority: 600\n'
    )


def test_a_repository_of_one_folder_has_no_components(vendor, tmp_path):
    done = add(vendor, tmp_path, vendor.fingerprints[0], APT_SUITE="/", APT_COMPONENTS="")
    assert done.returncode == 0, done.stderr
    line = (tmp_path / "sources.list.d" / "vendor.list").read_text()
    assert line == f"deb [signed-by={tmp_path / 'keyrings' / 'vendor.gpg'}] https://apt.vendor.example/debian /\n"


def test_a_key_that_is_not_offered_ends_with_8_and_leaves_nothing(vendor, tmp_path):
    done = add(vendor, tmp_path, "0" * 40)
    assert done.returncode == 8
    assert "key_fingerprint" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_key_file_that_is_not_there_is_a_failure_and_leaves_nothing(vendor, tmp_path):
    assert add(vendor, tmp_path, vendor.fingerprints[0], name="no.asc").returncode not in {0, 8}
    assert list(tmp_path.iterdir()) == []
