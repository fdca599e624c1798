"""Opens the backends of a bundle for a GPU that this machine has none of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.events import Notice
from pipeline.make.stubs import make_stub
from pipeline.proofs.opening import absent_for
from pipeline.proofs.programs import clean_environment

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pipeline.model.actions import Prove
    from pipeline.ports import Services


def open_backends(action: Prove, libraries: Iterable[Path], services: Services, work: Path) -> str:
    """Open each library with all of its symbols; return what came of it, for people.

    What only a driver has is stood in for by a stub, where the recipe has one; a library that needs anything else that
    this machine lacks is not opened, and that is said.

    Raises:
        ProofError: a library has symbols that nothing in the bundle or on this machine has.
    """
    stand_ins = work / "stand-ins"
    stand_ins.mkdir()
    stubs = {stub.soname: stub for stub in action.stubs}
    env = clean_environment(work, services.base_env)
    opened: list[str] = []
    for library in libraries:
        while absent := absent_for(library, stand_ins=stand_ins, commands=services.commands, env=env, cwd=work):
            stub = stubs.pop(absent, None)
            if stub is None:
                text = f"{action.target}: {library.name} is not opened: this machine has no {absent}"
                services.events.emit(Notice(text, "warning"))
                break
            make_stub(stand_ins / absent, stub, services, work)
        else:
            opened.append(library.name)
    beside = ", ".join(sorted(path.name for path in stand_ins.iterdir()))
    with_stubs = f" with a stand-in for {beside}" if beside else ""
    return f", opened {', '.join(opened)}{with_stubs}" if opened else ""
