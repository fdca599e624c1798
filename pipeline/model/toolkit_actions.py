"""What a step of a plan can be told to do about an accelerator's toolkit: plain data, one class a stage."""

from __future__ import annotations

from typing import Literal

from pipeline.model.environment_actions import StepName
from pipeline.model.frozen import Frozen, Sha256
from pipeline.model.toolkit import PackagedToolkit, RuntimeLibraries


class MakeToolkit(Frozen):
    """Make one folder of a toolkit's packages, ready to compile with.

    Attributes:
        title: of the toolkit, for people.
        fetched: step that brought the packages.
        packaged: what is laid where.
        toolchain: of the compiler that makes stub libraries; empty where there are none.
    """

    kind: Literal["make_toolkit"] = "make_toolkit"
    title: str
    fetched: StepName
    packaged: PackagedToolkit
    toolchain: dict[str, str]


class MakeRuntimeLayer(Frozen):
    """Turn libraries of a toolkit into a layer; their bytes stay as the vendor made them.

    Attributes:
        layer_name: of the layer.
        role: of the layer.
        title: of the toolkit, for people.
        libraries: which.
        toolkit: step that made the toolkit; None for one of the system's.
        toolkit_dir: where the system's is; its libraries have ``system_sha256``.
        system_sha256: digest of those libraries; None for packages.
        zstd_level: of the archive.
        epoch_seconds: time stamp of every file in it; the same for all releases.
    """

    kind: Literal["make_runtime_layer"] = "make_runtime_layer"
    layer_name: str
    role: Literal["runtime"] = "runtime"
    title: str
    libraries: RuntimeLibraries
    toolkit: StepName | None = None
    toolkit_dir: str | None = None
    system_sha256: Sha256 | None = None
    zstd_level: int
    epoch_seconds: int
