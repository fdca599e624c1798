"""The steps that are made of packages; their libraries are loaded when one is carried out."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

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

_WithExtras = (
    MakeChannelLayer | MakeMiniforgeLayer | MakeWheelLayer | MakeInstallerLayer | MakeToolkit | ProveEnvironment
)
PackageAction = FetchPackages | MakeRuntimeLayer | _WithExtras


def carry_out(action: PackageAction, step: str, services: Services, results: Results, work: Path) -> Outputs:
    """Carry out a step that is made of packages.

    Raises:
        HostError: what assembles environments is not installed.
        PipelineError: as the stage's own function says.
    """
    match action:
        case FetchPackages():
            return fetch_packages(action, step, services, work)
        case MakeRuntimeLayer():
            return make_runtime_layer(action, step, services, results, work)
        case _:
            return _carry_out_with_extras(action, step, services, results, work)


def _carry_out_with_extras(action: _WithExtras, step: str, services: Services, results: Results, work: Path) -> Outputs:
    try:
        from pipeline.make.channel_layer import make_channel_layer  # noqa: PLC0415 - packaging and others are extras
        from pipeline.make.installer_layer import make_installer_layer  # noqa: PLC0415 - as above
        from pipeline.make.miniforge_layer import make_miniforge_layer  # noqa: PLC0415 - as above
        from pipeline.make.prove_environment import prove_environment  # noqa: PLC0415 - as above
        from pipeline.make.toolkit import make_toolkit  # noqa: PLC0415 - as above
        from pipeline.make.wheel_layer import make_wheel_layer  # noqa: PLC0415 - as above
    except ImportError as error:
        raise HostError(
            f"{error.name} is not installed: no packages can be assembled",
            hint="install engine-pipeline[build]; ./ci/pipeline in a checkout brings it",
        ) from error
    match action:
        case MakeChannelLayer():
            outputs = make_channel_layer(action, step, services, results, work)
        case MakeMiniforgeLayer():
            outputs = make_miniforge_layer(action, step, services, results, work)
        case MakeWheelLayer():
            outputs = make_wheel_layer(action, step, services, results, work)
        case MakeInstallerLayer():
            outputs = make_installer_layer(action, step, services, results, work)
        case MakeToolkit():
            outputs = make_toolkit(action, step, services, results, work)
        case ProveEnvironment():
            outputs = prove_environment(action, step, services, results, work)
        case _:
            assert_never(action)
    return outputs
