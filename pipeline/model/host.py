"""What is known about the machine: tools, processor, libraries."""

from __future__ import annotations

from pipeline.model.frozen import Frozen


class Tool(Frozen):
    """A program that was found.

    Attributes:
        name: ``cmake``, ``ninja``, ``cc``, ``cxx``, ``strip``, ``objcopy``, ``node``, ``npm``, ``git``, ``sccache``.
        path: absolute.
        version: dotted numbers, for example ``12.2.0``.
        vendor: of a compiler (``gcc``, ``clang``); empty otherwise.
    """

    name: str
    path: str
    version: str
    vendor: str = ""


class HostFacts(Frozen):
    """The machine this process runs on.

    Attributes:
        platform: of the contract's names.
        system: as the operating system calls itself, for people.
        cpu_count: processors this process may use.
        cpu_features: instruction set extensions, lower case, sorted; empty where they cannot be read.
        glibc: version of the C library, None off Linux.
        memory_bytes: physical memory, 0 where it cannot be read.
    """

    platform: str
    system: str
    cpu_count: int
    cpu_features: tuple[str, ...]
    glibc: str | None
    memory_bytes: int
