"""Steps of a target that is an environment: packages as they are published, layers, proof, bundle."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline.model.actions import MakeBundle
from pipeline.model.environment_actions import (
    FetchPackages,
    MakeChannelLayer,
    MakeInstallerLayer,
    MakeMiniforgeLayer,
    MakeWheelLayer,
    PackageFile,
    ProveEnvironment,
)
from pipeline.model.filling import fill
from pipeline.model.manifest import HealthCheck, Upstream
from pipeline.model.statements import Part
from pipeline.names import conda_subdir
from pipeline.plan.choosing_assembled import has_base

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.model.environment import CondaPackage, LockedEnvironment, MiniforgeInstaller, WheelFile
    from pipeline.model.environment_recipe import EnvironmentEngine
    from pipeline.model.plan import Decision
    from pipeline.names import Target
    from pipeline.plan.collecting import Planning

CHANNEL_ZSTD_LEVEL = 1
"""Packages, and installers of them, are compressed already: a higher level takes 30 times as long for nothing."""


def add_assembled(planning: Planning, target: Target, decision: Decision) -> None:
    """Add the steps of one target: packages, layers, proof, bundle."""
    environment = planning.inputs.environments[str(target)]
    engine = planning.catalog.environments[target.engine]
    if not has_base(planning.request, environment):
        environment = environment.model_copy(update={"conda": (), "conda_problem": "left out (--wheels-only)"})
    _Assembly(planning, target, engine, environment, decision).add()


class _Assembly:
    """The steps of one target from its locked environment."""

    def __init__(
        self,
        planning: Planning,
        target: Target,
        engine: EnvironmentEngine,
        environment: LockedEnvironment,
        decision: Decision,
    ) -> None:
        self._planning = planning
        self._target = target
        self._engine = engine
        self._environment = environment
        self._decision = decision
        # No release date is locked, and the same packages give the same layers whenever they are bundled.
        self._epoch_seconds = planning.lasting_epoch_seconds
        self._label = f"{engine.name} {decision.version} {target.platform}"
        self._suffix = "" if environment.conda else " wheels-only"

    def add(self) -> None:
        environment = self._environment
        fetched: list[str] = []
        channel_layer = None
        if environment.conda:
            files = tuple(_conda_file(package) for package in environment.conda)
            fetched.append(self._fetch("conda packages", files))
            channel_layer = self._channel_layer(fetched[0])
        fetched.append(self._fetch("wheels", tuple(_wheel_file(wheel) for wheel in environment.wheels)))
        wheel_layers = tuple(self._wheel_layers(fetched[-1]))
        installer = self._installer_layer(channel_layer, wheel_layers)
        layers = (*((channel_layer,) if channel_layer else ()), *wheel_layers, installer)
        health = _health(self._engine, self._target, self._decision.version)
        proof = self._prove(tuple(fetched), layers, channel_layer, wheel_layers, health)
        # Last, after all that an installation lays; it is no part of the environment that is proven.
        self._bundle((*layers, *self._miniforge_layer()), proof, health)

    def _fetch(self, what: str, files: tuple[PackageFile, ...]) -> str:
        name = self._environment.name
        action = FetchPackages(environment=name, platform=self._target.platform, what=what, files=files)
        step = f"fetch {what} of {name} for {self._target.platform}"
        size = sum(file.size_bytes for file in files)
        return self._planning.add(self._target, step, action, (), download_bytes=size)

    def _channel_layer(self, fetched: str) -> str:
        action = MakeChannelLayer(
            layer_name="base",
            fetched=fetched,
            packages=self._environment.conda,
            subdir=conda_subdir(self._target.platform),
            zstd_level=CHANNEL_ZSTD_LEVEL,
            epoch_seconds=self._epoch_seconds,
        )
        step = f"layer base of {self._environment.name} for {self._target.platform}"
        return self._planning.add(self._target, step, action, (fetched,))

    def _miniforge_layer(self) -> Iterator[str]:
        """Add the layer of Miniforge's installer where that was asked for."""
        installer = self._planning.inputs.miniforge.get(str(self._target))
        if installer is None:
            return
        fetched = self._fetch("Miniforge", (_miniforge_file(installer),))
        action = MakeMiniforgeLayer(
            layer_name="miniforge",
            fetched=fetched,
            installer=installer,
            zstd_level=CHANNEL_ZSTD_LEVEL,
            epoch_seconds=self._epoch_seconds,
        )
        self._suffix = " with-miniforge"
        step = f"layer miniforge {installer.version} for {self._target.platform}"
        yield self._planning.add(self._target, step, action, (fetched,))

    def _wheel_layers(self, fetched: str) -> Iterator[str]:
        """Add the layer of the wheels, and one for each runtime of which something is locked for the platform."""
        runtimes = {
            name: tuple(wheel for wheel in self._environment.wheels if wheel.project in projects)
            for name, projects in self._engine.runtimes.items()
        }
        apart = {wheel.project for wheels in runtimes.values() for wheel in wheels}
        rest = tuple(wheel for wheel in self._environment.wheels if wheel.project not in apart)
        if rest:
            yield self._wheel_layer(fetched, "wheels", rest, is_runtime=False)
        for name, wheels in runtimes.items():
            if wheels:
                yield self._wheel_layer(fetched, name, wheels, is_runtime=True)

    def _wheel_layer(self, fetched: str, name: str, wheels: tuple[WheelFile, ...], *, is_runtime: bool) -> str:
        licenses = self._engine.licenses
        action = MakeWheelLayer(
            layer_name=name,
            role="runtime" if is_runtime else "wheels",
            fetched=fetched,
            wheels=wheels,
            python=self._environment.python,
            platform=self._target.platform,
            floors=self._environment.floors,
            licenses={wheel.project: licenses[wheel.project] for wheel in wheels if wheel.project in licenses},
            zstd_level=self._planning.request.zstd_level,
            epoch_seconds=self._epoch_seconds,
        )
        return self._planning.add(self._target, f"layer {name} of {self._label}", action, (fetched,))

    def _installer_layer(self, channel_layer: str | None, wheel_layers: tuple[str, ...]) -> str:
        action = MakeInstallerLayer(
            layer_name="installer",
            environment=self._environment,
            engine=self._engine.name,
            version=self._decision.version,
            base="conda" if channel_layer else "host",
            channel_layer=channel_layer,
            wheel_layers=wheel_layers,
            zstd_level=self._planning.request.zstd_level,
            epoch_seconds=self._epoch_seconds,
        )
        needs = (*((channel_layer,) if channel_layer else ()), *wheel_layers)
        return self._planning.add(self._target, f"layer installer of {self._label}{self._suffix}", action, needs)

    def _prove(
        self,
        fetched: tuple[str, ...],
        layers: tuple[str, ...],
        channel_layer: str | None,
        wheel_layers: tuple[str, ...],
        health: HealthCheck,
    ) -> str:
        action = ProveEnvironment(
            target=str(self._target),
            environment=self._environment,
            base="conda" if channel_layer else "host",
            fetched=fetched,
            layers=layers,
            channel_layer=channel_layer,
            wheel_layers=wheel_layers,
            level=self._decision.proof,
            insist=self._planning.request.prove is not None,
            health=health,
            requires_cpu=self._engine.requires_cpu,
        )
        step = f"prove {self._target} {self._decision.version}{self._suffix}"
        return self._planning.add(self._target, step, action, (*fetched, *layers))

    def _bundle(self, layers: tuple[str, ...], proof: str, health: HealthCheck) -> None:
        engine, target, version = self._engine, self._target, self._decision.version
        of_conda = {package.license for package in self._environment.conda if package.license}
        action = MakeBundle(
            engine=engine.name,
            platform=target.platform,
            accel=target.accel,
            version=version,
            origin="assembled",
            upstream=Upstream(repository=engine.repository, tag=f"v{version}", commit=None),
            entry_points=dict(engine.entry_points),
            health=health,
            licenses=tuple(sorted({*of_conda, *engine.licenses.values()})),
            layers=layers,
            proof=proof,
            compiled=(),
            parts=tuple(Part(name=name, license=spdx) for name, spdx in sorted(engine.licenses.items())),
            environment=self._environment,
            builder_version=self._planning.request.builder_version,
            epoch_seconds=self._epoch_seconds,
        )
        self._planning.add(target, f"bundle {target} {version}{self._suffix}", action, (*layers, proof))


def _conda_file(package: CondaPackage) -> PackageFile:
    path = f"{package.subdir}/{package.filename}"
    return PackageFile(
        filename=package.filename,
        sha256=package.sha256,
        size_bytes=package.size_bytes,
        channel=package.url.removesuffix(f"/{path}"),
        path=path,
    )


def _miniforge_file(installer: MiniforgeInstaller) -> PackageFile:
    return PackageFile(
        filename=installer.filename,
        sha256=installer.sha256,
        size_bytes=installer.size_bytes,
        channel=installer.releases,
        path=f"{installer.version}/{installer.filename}",
    )


def _wheel_file(wheel: WheelFile) -> PackageFile:
    return PackageFile(filename=wheel.filename, sha256=wheel.sha256, size_bytes=wheel.size_bytes, project=wheel.project)


def _health(engine: EnvironmentEngine, target: Target, version: str) -> HealthCheck:
    """Return how the bundle is proven here, and checked wherever it is installed."""
    recipe = engine.proof
    return HealthCheck(
        program=recipe.program,
        version_args=recipe.version_args,
        version_pattern=fill(recipe.version_pattern, version=re.escape(version)),
        device_program=recipe.program,
        device_args=recipe.device_args,
        expect_devices=recipe.expect_devices[target.platform],
        server_args=recipe.server_args,
        model_args=recipe.model_args,
        environment=recipe.environment,
        prompt=recipe.prompt,
        minimum_tokens=recipe.minimum_tokens,
        ready_timeout_seconds=recipe.ready_timeout_seconds,
    )
