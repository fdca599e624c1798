"""A mirror held still while somebody seals it, after every byte of it was verified."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.deploy.mirror.changing import changing_mirror
from pipeline.deploy.mirror.completed import forget_completed
from pipeline.deploy.mirror.content import mirror_content
from pipeline.deploy.mirror.lanes import drop_half_made_lanes
from pipeline.deploy.verify import report_error, verify

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.deploy.mirror.layout import MirrorLayout
    from pipeline.model.mirror_content import MirrorContent
    from pipeline.ports import Disk, Services


@dataclass(slots=True)
class Sealing:
    """A mirror that is being sealed.

    Attributes:
        content: what may be sealed.
        changed: to be set when something was written: the next sync looks at everything again.
    """

    content: MirrorContent
    changed: bool = False


@contextmanager
def sealing(layout: MirrorLayout, *, trusted_root: bytes, services: Services, disk: Disk) -> Iterator[Sealing]:
    """Hold a mirror, one process at a time, and say what it holds; every file of it was read again.

    What a first seal left that died goes before that.

    Raises:
        TrustError: its publisher's metadata is expired, or not signed as it must be.
        IntegrityError: a file is not as it was signed.
        UsageError, NothingSelectedError: as ``mirror_content``.
    """
    with changing_mirror(layout, services, disk):
        drop_half_made_lanes(layout.folder, disk)
        content = mirror_content(layout, trusted_root=trusted_root, services=services, disk=disk)
        report = verify(layout.folder, services, disk=disk, trusted_root=trusted_root)
        if not report.ok:
            raise report_error(report)
        held = Sealing(content)
        yield held
        if held.changed:
            forget_completed(layout, disk)
