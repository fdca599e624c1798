"""What an executable or a shared library says of itself."""

from __future__ import annotations

from pipeline.model.frozen import Frozen


class BinaryCard(Frozen):
    """Measured facts about one ELF file.

    Attributes:
        format: ``elf``.
        machine: ``x86_64``, ``arm64`` ...
        is_executable: False for a shared library.
        soname: what it calls itself, None for an executable.
        needed: shared libraries it names, in order.
        runpath: search folders as written (``$ORIGIN``); empty when there are none.
        version_needs: symbol versions by library, for example ``{"libc.so.6": ("GLIBC_2.34",)}``, sorted.
        has_symbols: whether a full symbol table is still inside.
        has_debug: whether debug sections are still inside.
        build_id: hex, None when there is none.
    """

    format: str
    machine: str
    is_executable: bool
    soname: str | None
    needed: tuple[str, ...]
    runpath: tuple[str, ...]
    version_needs: dict[str, tuple[str, ...]]
    has_symbols: bool
    has_debug: bool
    build_id: str | None
