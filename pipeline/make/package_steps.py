"""The steps that are made of packages; their libraries are loaded when one is carried out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import HostError
from pipeline.make.packages import fetch_packages
from pipeline.make.runtime_layer import make_runtime_layer
from pipeline.model.environment_actions import (
    FetchPackages,
    MakeChannelLayer,
    MakeInstallerLayer,
    MakeMiniforgeLayer,
    MakeWheelLayer,
    ProveEnvironment,
)
from pipeline.model.toolkit_actions import MakeRuntimeLayer, MakeToolkit

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.make.outputs import Outputs, Results
    from pipeline.ports import Services

PackageAction = (
    FetchPackages
    | MakeChannelLayer
    | MakeMiniforgeLayer
    | MakeWheelLayer
    | MakeInstallerLayer
    | MakeToolkit
    | MakeRuntimeLayer
    | ProveEnvironment
)


def carry_out(action: PackageAction, step: str, services: Services, results: Results, work: Path) -> Outputs:
    """Carry out a step of an environment.

    Raises:
        HostError: what assembles environments is not installed.
        PipelineError: as the stage's own function says.
    """
    if isinstance(action, FetchPackages):
        return fetch_packages(action, step, services, work)
    if isinstance(action, MakeRuntimeLayer):
        return make_runtime_layer(action, step, services, results, work)
    try:
        from pipeline.make.channel_layer import make_channel_layer  # noqa: PLC0415 - packaging and others are extras
        from pipeline.make.installer_layer import make_installer_layer  # noqa: PLC0415 - as above
        from pipeline.make.miniforge_layer import make_miniforge_layer  # noqa: PLC0415 - as above
        from pipeline.make.prove_environment import prove_environment  # noqa: PLC0415 - as above
        from pipeline.make.toolkit import make_toolkit  # noqa: PLC0415 - as above
        from pipeline.make.wheel_layer import make_wheel_layer  # noqa: PLC0415 - as above
    except ImportError as error:
        raise HostError(
            f"{error.name} is not installed: no environment can be assembled",
            hint="install engine-pipeline[build]; ./ci/pipeline in a checkout brings it",
        ) from error
    match action:
        case MakeChannelLayer():
            return make_channel_layer(action, step, services, results, work)
        case MakeMiniforgeLayer():
            return make_miniforge_layer(action, step, services, results, work)
        case MakeWheelLayer():
            return make_wheel_layer(action, step, services, results, work)
        case MakeInstallerLayer():
            return make_installer_layer(action, step, services, results, work)
        case MakeToolkit():
            return make_toolkit(action, step, services, results, work)
        case ProveEnvironment():
            return prove_environment(action, step, services, results, work)
