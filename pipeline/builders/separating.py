"""How symbols and debug information leave a file: which programs are run for it, as data. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pipeline.model.filling import fill

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pipeline.model.binary import BinaryCard
    from pipeline.model.native import SeparationName


class Separation(NamedTuple):
    """One way.

    Attributes:
        tools: that it runs, whose versions decide what it makes.
        applies: whether a file has something to separate.
        debug: what is kept of ``{name}``, beside the file in the tree of debug files; may be a folder.
        commands: run in the file's own folder, one after the other: ``{name}`` is the file, ``{debug}`` the path of
            what is kept, and ``{stripped}``, where a command writes it, is then put in the file's place.
        keeps_debug: whether debug information that the compiler was asked for is in what is kept; symbols always are.
    """

    tools: tuple[str, ...]
    applies: Callable[[BinaryCard], bool]
    debug: str
    commands: tuple[tuple[str, ...], ...]
    keeps_debug: bool

    def argvs(self, *, name: str, debug: str, stripped: str) -> tuple[tuple[str, ...], ...]:
        """Return the commands for one file; the first word of each is a tool's name."""
        return tuple(
            tuple(fill(word, name=name, debug=debug, stripped=stripped) for word in command)
            for command in self.commands
        )


def _has_symbols(card: BinaryCard) -> bool:
    return card.has_symbols or card.has_debug


def _is_loaded_macho(card: BinaryCard) -> bool:
    return card.format == "macho" and not card.is_object


SEPARATIONS: Mapping[SeparationName, Separation] = {
    # gdb manual, "Separate Debug Files".
    "gnu": Separation(
        tools=("strip", "objcopy"),
        applies=_has_symbols,
        debug=".debug/{name}.debug",
        commands=(
            ("objcopy", "--only-keep-debug", "{name}", "{debug}"),
            ("objcopy", "--strip-unneeded", "--add-gnu-debuglink={debug}", "{name}", "{stripped}"),
        ),
        keeps_debug=True,
    ),
    # lldb takes a dSYM beside a file by its UUID (lldb.llvm.org, "Symbols on macOS"). What is exported stays: strip -x
    # takes local symbols alone. A change breaks the signature, without which macOS on arm64 ends the program. The name
    # in a signature is the file's, so files are signed where they are called as they ship.
    "apple": Separation(
        tools=("dsymutil", "strip", "codesign"),
        applies=_is_loaded_macho,
        debug="{name}.dSYM",
        commands=(
            ("dsymutil", "{name}", "-o", "{debug}"),
            ("strip", "-S", "-x", "{name}"),
            ("codesign", "--force", "--sign", "-", "--timestamp=none", "{name}"),
        ),
        keeps_debug=False,  # it stays in the object files (ci/decisions/0061), which are gone by then
    ),
}
"""The ways there are, by the names that recipes have for them."""
