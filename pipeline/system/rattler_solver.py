"""Solves for locks over channels anywhere, for machines that have no conda; see ci/decisions/0041.

``local_channel_solving`` solves within a bundle, to prove it.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class SolveFailure(Exception):  # noqa: N818 - it is an answer that the program gives, and no PipelineError
    """Nothing was solved.

    Attributes:
        kind: ``unsatisfiable``, ``network``, ``damaged`` (a channel's repodata), ``specification``, or ``absent``
            (py-rattler).
        message: the solver's words.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


class Question(NamedTuple):
    """What to solve for.

    Attributes:
        channels: urls, the first wins.
        specs: match specifications.
        subdir: of the target; ``noarch`` is looked at besides.
        virtual_packages: name to ``<version>`` or ``<version> <build>``, as in a virtual-packages.yml.
    """

    channels: Sequence[str]
    specs: Sequence[str]
    subdir: str
    virtual_packages: Mapping[str, str]


def solve_records(question: Question, cache_dir: Path) -> list[dict[str, Any]]:
    """Return the record of each package of the solution, with ``url``, ``fn`` and ``channel``, sorted by name.

    Args:
        question: what to solve for.
        cache_dir: where repodata is kept from run to run.

    Raises:
        SolveFailure: nothing was solved.
    """
    try:
        return asyncio.run(_solve(question, cache_dir))
    except ImportError as error:
        raise SolveFailure("absent", str(error)) from error


async def _solve(question: Question, cache_dir: Path) -> list[dict[str, Any]]:
    from rattler import Channel, Gateway, solve  # noqa: PLC0415 - it may be absent
    from rattler import exceptions as fault  # noqa: PLC0415 - it may be absent

    from pipeline.system.local_channel_solving import virtual_package  # noqa: PLC0415 - it imports rattler

    try:
        records = await solve(
            [Channel(url) for url in question.channels],
            list(question.specs),
            gateway=Gateway(cache_dir=cache_dir),
            platforms=[question.subdir, "noarch"],  # type: ignore[list-item] # a subdir that rattler does not know is its error
            virtual_packages=[virtual_package(*named) for named in sorted(question.virtual_packages.items())],
        )
    except fault.SolverError as error:
        raise SolveFailure("unsatisfiable", str(error)) from error
    except (fault.GatewayError, fault.FetchRepoDataError, fault.IoError) as error:
        damaged = "parse" in str(error).lower() or "deserialize" in str(error).lower()
        raise SolveFailure("damaged" if damaged else "network", str(error)) from error
    except (
        fault.InvalidMatchSpecError,
        fault.InvalidVersionError,
        fault.InvalidPackageNameError,
        fault.InvalidChannelError,
        fault.InvalidUrlError,
        fault.ParseSubdirError,
    ) as error:
        raise SolveFailure("specification", str(error)) from error
    found = [
        {**json.loads(record.to_json()), "url": record.url, "fn": record.file_name, "channel": record.channel}
        for record in records
    ]
    return sorted(found, key=lambda record: str(record["name"]))
