"""Updates of environments by deltas: of the layer of conda packages and of that of wheels, to the published digests."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.deploy.layout import Layout
from pipeline.deploy.verify import verify
from pipeline.publish.state import read_state
from pipeline.system.trees import FileTreeReader
from tests.simulators.changing_layers import SIZE, changed, library
from tests.simulators.conda_packages import CondaPackage, Member
from tests.simulators.engine_world import close_stores
from tests.simulators.environment_world import (
    ENGINE,
    SITE,
    EnvironmentWorld,
    noarch_package,
    python_package,
    wheel_files,
)

if TYPE_CHECKING:
    from pipeline.model.installation import InstallOutcome
    from pipeline.model.manifest import Layer

OLDER, NEWER = "0.32.1", "0.32.2"


@pytest.fixture
def world(tmp_path: Path):
    yield EnvironmentWorld(tmp_path)
    close_stores()


def publish(world: EnvironmentWorld, version: str, mark: int) -> tuple[str, ...]:
    """Publish a version: one conda package of two is another build, a library of the wheels has changed in places."""
    packages = (
        CondaPackage("icu", "78.1", {"lib/libicudata.so": Member(library(1))}),
        CondaPackage("zones", f"2026.{mark}", {"share/zones": Member(changed(library(2)[: SIZE // 8], mark))}),
        python_package(),
        noarch_package(),
    )
    wheels = {**wheel_files(version), f"{SITE}/mlx/lib/libmlx.so": changed(library(3), mark)}
    dist = f"dist-{version}"
    world.build_environment(version, packages=packages, wheels=wheels, dist=dist)
    return world.publish(dist, deltas=1).deltas


def layers_of(world: EnvironmentWorld, version: str) -> dict[str, Layer]:
    """Return the layers of a version as they are signed."""
    manifest = read_state(world.repository, trusted_root=world.trusted_root).manifests[ENGINE]
    artifact = next(one for one in manifest.artifacts if one.version == version)
    return {layer.name: layer for layer in artifact.layers}


def origins(outcome: InstallOutcome) -> dict[str, str | None]:
    return {layer.name: layer.delta_from for layer in outcome.layers}


def updated(world: EnvironmentWorld, *, deltas: bool = True) -> InstallOutcome:
    """Install the older version in a new root, and then the newer one."""
    shutil.rmtree(world.root, ignore_errors=True)
    world.install(version=OLDER)
    return world.install(deltas=deltas)


def test_conda_packages_and_wheels_are_updated_by_deltas_to_the_published_digests(world):
    assert publish(world, OLDER, 1) == ()
    assert publish(world, NEWER, 2) == tuple(
        f"{name} of {ENGINE}/linux-x86_64-mlx {NEWER} from {OLDER}" for name in ("base", "wheels")
    )
    outcome = updated(world)
    assert origins(outcome) == {"base": OLDER, "wheels": OLDER, "installer": None}
    signed = layers_of(world, NEWER)
    assert outcome.downloaded_bytes < sum(layer.size for layer in signed.values()) // 5
    for name in ("base", "wheels"):
        made = FileTreeReader().scan(world.root / "layers" / signed[name].tree_sha256)
        assert made.sha256 == signed[name].tree_sha256 != layers_of(world, OLDER)[name].tree_sha256
    assert outcome.health.version == f"mlx-lm {NEWER}"
    assert verify(world.root, world.services(world.folder / "verifier"), disk=world.disk).ok


def test_the_environment_is_the_one_that_whole_layers_make(world):
    publish(world, OLDER, 1)
    publish(world, NEWER, 2)
    digests = {}
    for deltas in (True, False):
        outcome = updated(world, deltas=deltas)
        assert (origins(outcome)["base"] is None) is not deltas
        digests[deltas] = FileTreeReader().scan(Path(outcome.path)).sha256
        close_stores()
    assert digests[True] == digests[False]


def test_a_conda_package_of_the_old_layer_that_was_changed_costs_its_delta_alone(world):
    publish(world, OLDER, 1)
    publish(world, NEWER, 2)
    world.install(version=OLDER)
    kept = Layout(world.root).layer_dir(layers_of(world, OLDER)["base"].tree_sha256)
    (package,) = kept.rglob("icu-*.conda")
    package.write_bytes(b"another")
    outcome = world.install()
    assert origins(outcome) == {"base": None, "wheels": OLDER, "installer": None}
    signed = layers_of(world, NEWER)["base"].tree_sha256
    assert FileTreeReader().scan(world.root / "layers" / signed).sha256 == signed
