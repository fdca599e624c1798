"""Symbolic links as values: where one leads, decided from the list of a tree's links and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pipeline.system.portable_names import MAX_PATH_BYTES, folded, may_be_short, segment_fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MAX_LINKS = 40  # as Linux: path_resolution(7)
_MAX_STEPS = 4096  # names on the way along one link, links that it leads through included
_MAX_STEPS_IN_ALL = 1_000_000  # so that no list of links takes long to judge: some seconds


def link_fault(path: str, links: Mapping[str, str]) -> str | None:
    """Return why the link at ``path`` is refused, None when it stays inside the tree.

    A link may be dangling; every step of following it must stay below the root, through other links too, so that
    neither an exit and re-entry nor a chain of links leaves the tree (CPython's data filter misses both). A name in a
    target leads through a link as soon as some file system takes it for that link's name.

    Args:
        path: of the link, POSIX, relative, without dot segments.
        links: every link of the tree with its target; ``path`` is among them.
    """
    return _Walker({folded(place): target for place, target in links.items()}).fault(path, links[path])


def link_faults(links: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield (path, fault) of every link that is refused; as ``link_fault`` for all of them."""
    walker = _Walker({folded(place): target for place, target in links.items()})
    for path, target in links.items():
        if fault := walker.fault(path, target):
            yield path, fault


def _text_fault(target: str) -> str | None:
    if not target:
        return "has no target"
    if target.startswith("/") or "\\" in target or target[1:2] == ":":
        return f"leads to {target!r}, which is not a relative POSIX path"
    if len(target.encode(errors="surrogatepass")) > MAX_PATH_BYTES:
        return f"has a target of more than {MAX_PATH_BYTES} bytes"
    names = (segment for segment in target.split("/") if segment not in {"", ".", ".."})
    fault = next(filter(None, map(segment_fault, names)), None)
    return fault and f"has a target that {fault}"


class _Folder(NamedTuple):
    """A place on the way: its folded path with a slash in front, and whether its name may be another one's alias."""

    path: str
    is_doubtful: bool


class _Walker:
    """Follows links among ``known`` ones, whose paths are folded."""

    def __init__(self, known: Mapping[str, str]) -> None:
        self._known = known
        self._steps = 0

    def fault(self, path: str, target: str) -> str | None:
        """Return why a link is refused, None when it stays inside."""
        if fault := _text_fault(target):
            return fault
        here = [_Folder("", is_doubtful=False)]
        for name in path.split("/")[:-1]:  # made by whoever unpacks, so it is what it is called
            here.append(_Folder(f"{here[-1].path}/{folded(name)}", is_doubtful=False))
        limit = min(self._steps + _MAX_STEPS, _MAX_STEPS_IN_ALL)
        return self._walk(here, target.split("/")[::-1], limit=limit)

    def _walk(self, here: list[_Folder], stack: list[str], *, limit: int) -> str | None:
        """Follow ``stack``, whose last segment is next, from ``here``, a path without links in it."""
        followed = 1  # the link itself
        while stack:
            segment = stack.pop()
            self._steps += 1
            if segment == "..":
                if fault := _up(here):
                    return fault
            elif segment not in {"", "."}:
                place = f"{here[-1].path}/{folded(segment)}"
                target = self._known.get(place[1:])
                if target is None:
                    here.append(_Folder(place, is_doubtful=may_be_short(segment)))
                else:
                    followed += 1
                    stack.extend(target.split("/")[::-1])
            if followed > _MAX_LINKS or self._steps > limit:
                return "is part of a loop or of too long a chain of links"
        return None


def _up(here: list[_Folder]) -> str | None:
    if len(here) == 1:
        return "leads out of the tree"
    if here.pop().is_doubtful:
        return "leads up again from a name that may be another one's short form on Windows"
    return None
