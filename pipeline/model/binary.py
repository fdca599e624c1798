"""What an executable or a shared library says of itself."""

from __future__ import annotations

from typing import Literal

from pipeline.model.frozen import Frozen


class BinaryCard(Frozen):
    """Measured facts about one ELF, PE or Mach-O file.

    Attributes:
        format: which of the three it is.
        machine: ``x86_64``, ``arm64`` ...; the first one of a universal Mach-O file.
        is_executable: False for a shared library.
        soname: what it calls itself (ELF SONAME, Mach-O install name); None for an executable and for PE, whose loader
            knows a library by its file name.
        needed: shared libraries without which it does not load, in order; without repetition.
        runpath: search folders as written (``$ORIGIN``, ``@loader_path``); empty when there are none, always for PE.
        version_needs: symbol versions by library, for example ``{"libc.so.6": ("GLIBC_2.34",)}``, sorted; ELF only.
        has_symbols: whether a full symbol table is still inside; ELF only.
        has_debug: whether debug sections are still inside; ELF only.
        build_id: hex, the Mach-O UUID too; None when there is none.
        architectures: every machine of a universal Mach-O file; empty when ``machine`` says all.
        optional: libraries it names and loads without: delayed imports of PE, weak ones of Mach-O.
        system: for what a Mach-O file was made: ``macos``, ``ios`` ...; None elsewhere and where it does not say.
        lowest_system: lowest version of that system, for example ``13.3``; for PE the subsystem version (``6.0``).
        signature: ``adhoc`` or ``cms`` (Mach-O, of the arm64 part where there is one), ``authenticode`` (PE), None when
            unsigned. That it is there was measured, not that it is valid.
        is_object: whether it is an object file, a stub or a debugging companion, which no loader ever sees.
        gpu_architectures: what the GPU code in it was compiled for, sorted by number: ``sm_90a`` (machine code),
            ``compute_90`` (intermediate code), ``gfx90a:xnack-``; ELF and PE only.
    """

    format: Literal["elf", "pe", "macho"]
    machine: str
    is_executable: bool
    soname: str | None
    needed: tuple[str, ...]
    runpath: tuple[str, ...]
    version_needs: dict[str, tuple[str, ...]]
    has_symbols: bool
    has_debug: bool
    build_id: str | None
    architectures: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    system: str | None = None
    lowest_system: str | None = None
    signature: Literal["adhoc", "cms", "authenticode"] | None = None
    is_object: bool = False
    gpu_architectures: tuple[str, ...] = ()

    @property
    def machines(self) -> tuple[str, ...]:
        """Every machine it runs on."""
        return self.architectures or (self.machine,)
