"""What is known about the machine: tools, processor, libraries, devices that compute."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from pipeline.model.frozen import Frozen

MAX_DEVICES = 64
"""More devices of a kind than any machine has; what a driver lists beyond that is left out."""

Text = Annotated[str, StringConstraints(max_length=256)]
DottedVersion = Annotated[str, StringConstraints(pattern=r"^\d{1,9}(\.\d{1,9}){0,5}$")]
DeviceKind = Literal["discrete", "integrated", "virtual", "cpu", "gpu", "accelerator", "other"]
ProbeName = Literal["adapters", "amd", "level-zero", "metal", "nvidia", "opencl", "vulkan"]


class Tool(Frozen):
    """A program that was found.

    Attributes:
        name: ``cmake``, ``ninja``, ``cc``, ``cxx``, ``strip``, ``objcopy``, ``node``, ``npm``, ``git``, ``sccache``;
            of Apple's also ``ld``, ``dsymutil``, ``codesign`` and ``sdk``, whose path is that of a folder.
        path: absolute.
        version: dotted numbers, for example ``12.2.0``; after a ``+`` those of the build, where
            a maker has several of one version.
        vendor: of a compiler (``gcc``, ``clang``, ``apple-clang``); empty otherwise.
    """

    name: str
    path: str
    version: str
    vendor: str = ""


class NvidiaGpu(Frozen):
    """A GPU that the NVIDIA driver serves.

    Attributes:
        name: as the driver calls it.
        compute_capability: ``<major>.<minor>``; None where the driver is too old to say it (before 495).
        memory_bytes: of its own; 0 where it shares the system's or does not say.
    """

    name: Text
    compute_capability: Annotated[str, StringConstraints(pattern=r"^\d{1,3}\.\d$")] | None = None
    memory_bytes: int = Field(default=0, ge=0)


class AmdGpu(Frozen):
    """A GPU that the kernel's compute driver (amdkfd) serves.

    Attributes:
        gfx: LLVM's name of its instruction set, for example ``gfx1100``.
        memory_bytes: of its own; 0 where it is not said.
    """

    gfx: Annotated[str, StringConstraints(pattern=r"^gfx[0-9a-f]{3,5}$")]
    memory_bytes: int = Field(default=0, ge=0)


class ApiDevice(Frozen):
    """A device that Vulkan, Level Zero or OpenCL lists.

    Attributes:
        name: as its driver calls it.
        kind: what it is. Vulkan tells ``discrete``, ``integrated``, ``virtual`` and ``cpu`` apart; the others know
            ``gpu``, ``cpu`` and ``accelerator``.
        api: version of the interface that it offers; None where it was not asked for.
    """

    name: Text
    kind: DeviceKind
    api: DottedVersion | None = None


class Adapter(Frozen):
    """A GPU on a bus, whether or not any driver serves it: what says that a machine has one.

    Attributes:
        vendor: ``nvidia``, ``amd`` or ``intel``; adapters of others (virtual ones, a server's console) are left out.
        name: the PCI ids as ``10de:2684``, or the system's name of it.
    """

    vendor: Literal["nvidia", "amd", "intel"]
    name: Text


class ProbeFault(Frozen):
    """Something that could not be found out; what a probe did not see is then not known to be absent.

    Attributes:
        probe: which one.
        reason: why.
    """

    probe: ProbeName
    reason: Text


class HostFacts(Frozen):
    """A machine. ``HostProbe.facts`` leaves the devices out, ``HostProbe.survey`` looks for everything.

    Attributes:
        schema_version: 1; facts can be recorded on one machine and read on another.
        platform: of the contract's names.
        system: as the operating system calls itself, for people.
        cpu_count: processors this process may use.
        cpu_features: instruction set extensions, lower case, sorted; empty where they cannot be read.
        glibc: its version, None where there is none or it cannot be read: ``libraries`` tells on Linux.
        memory_bytes: physical memory, 0 where it cannot be read.
        macos: version of macOS, None elsewhere.
        windows: version of Windows (``10.0.22631``), None elsewhere.
        libstdcxx: newest GLIBCXX_ symbol version that the system's libstdc++ offers; None where it is not known.
        libraries: shared libraries that the dynamic loader finds by itself, sorted; None where they are not known.
        adapters: GPUs on a bus.
        nvidia_driver: version of the NVIDIA driver, None where there is none.
        nvidia_gpus: that it serves.
        amd_gpus: that the compute driver serves.
        vulkan_loader: whether the Vulkan loader is there.
        vulkan_devices: that it lists.
        level_zero_loader: whether the Level Zero loader is there.
        level_zero_devices: that it lists.
        opencl_loader: whether the OpenCL loader is there.
        opencl_devices: that it lists.
        metal: whether the machine has Metal as llama.cpp uses it: Apple silicon, and where devices were looked for also
            one that Metal lists; some virtual machines have none.
        probe_faults: what could not be found out.
    """

    schema_version: Literal[1] = 1
    platform: str
    system: str
    cpu_count: int = Field(ge=1)
    cpu_features: tuple[str, ...]
    glibc: DottedVersion | None
    memory_bytes: int = Field(ge=0)
    macos: DottedVersion | None = None
    windows: DottedVersion | None = None
    libstdcxx: DottedVersion | None = None
    libraries: tuple[str, ...] | None = None
    adapters: tuple[Adapter, ...] = ()
    nvidia_driver: DottedVersion | None = None
    nvidia_gpus: tuple[NvidiaGpu, ...] = ()
    amd_gpus: tuple[AmdGpu, ...] = ()
    vulkan_loader: bool = False
    vulkan_devices: tuple[ApiDevice, ...] = ()
    level_zero_loader: bool = False
    level_zero_devices: tuple[ApiDevice, ...] = ()
    opencl_loader: bool = False
    opencl_devices: tuple[ApiDevice, ...] = ()
    metal: bool = False
    probe_faults: tuple[ProbeFault, ...] = ()

    def faults_of(self, probe: ProbeName) -> tuple[str, ...]:
        """Return why a probe could not find something out."""
        return tuple(fault.reason for fault in self.probe_faults if fault.probe == probe)

    def gpus(self) -> tuple[str, ...]:
        """Return the GPUs there are, for people; what a driver calls a GPU stands for its adapter."""
        served = {"nvidia": bool(self.nvidia_gpus), "amd": bool(self.amd_gpus)}
        named = [gpu.name for gpu in self.nvidia_gpus]
        named += [f"AMD {gpu.gfx}" for gpu in self.amd_gpus]
        named += [_called(adapter) for adapter in self.adapters if not served.get(adapter.vendor)]
        if self.metal:
            named.append("Apple GPU")
        listed = (*self.vulkan_devices, *self.level_zero_devices, *self.opencl_devices)
        return tuple(dict.fromkeys(named or [device.name for device in listed if is_gpu(device)]))


_VENDORS = {"nvidia": "NVIDIA", "amd": "AMD", "intel": "Intel"}


def _called(adapter: Adapter) -> str:
    """Return an adapter's name after its vendor's, which the system's name may begin with."""
    vendor = _VENDORS[adapter.vendor]
    return adapter.name if adapter.name.lower().startswith(vendor.lower()) else f"{vendor} {adapter.name}"


# Mesa's and Google's software rasterizers; they say "cpu" as their type, except where a layer on top says otherwise.
_SOFTWARE = ("llvmpipe", "lavapipe", "swiftshader", "softpipe")


def is_gpu(device: ApiDevice) -> bool:
    """Tell whether a listed device computes on a GPU, and is not the processor under another name."""
    hardware = device.kind in {"discrete", "integrated", "virtual", "gpu"}
    return hardware and not any(name in device.name.lower() for name in _SOFTWARE)
