"""Makes pylock files (PEP 751) that name each wheel by file name, size and sha256, and no index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from pipeline.lock.refusals import NoWheelError, UncheckableError
from pipeline.model.environment import WheelFile
from pipeline.proofs.wheel_tags import supported_tags

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.catalog.environments import EnvironmentSpec


def chosen_wheels(document: Mapping[str, Any], spec: EnvironmentSpec) -> list[WheelFile]:
    """Return the one wheel of each package that fits best, sorted by project.

    Args:
        document: a pylock file as uv wrote it, for one platform.
        spec: what is asked of the environment there.

    Raises:
        NoWheelError: packages of which no wheel fits; all are named.
        UncheckableError: wheels without sha256 or size; all are named.
    """
    from packaging.utils import canonicalize_name, parse_wheel_filename  # noqa: PLC0415 - of the extra `lock`

    ranks = {tag: rank for rank, tag in enumerate(supported_tags(spec.platform, spec.python, spec.floors))}
    chosen: list[WheelFile] = []
    misfits, poor = [], []
    for package in document.get("packages", []):
        offered: list[tuple[int, tuple[Any, ...], str, Mapping[str, Any]]] = []
        for wheel in package.get("wheels", []):
            filename = wheel.get("name") or unquote(urlsplit(wheel.get("url") or wheel["path"]).path).rpartition("/")[2]
            _, _, build, tags = parse_wheel_filename(filename)
            fitting = [ranks[tag] for tag in tags if tag in ranks]
            if fitting:
                offered.append((-min(fitting), build, filename, wheel))
        if not offered:
            misfits.append(f"{package['name']} {package.get('version', '')}".strip())
            continue
        *_, filename, wheel = max(offered, key=lambda offer: offer[:3])
        sha256, size = wheel.get("hashes", {}).get("sha256"), wheel.get("size")
        if not (sha256 and size):
            poor.append(filename)
            continue
        chosen.append(
            WheelFile(
                project=str(canonicalize_name(package["name"])),
                version=package["version"],
                filename=filename,
                sha256=sha256,
                size_bytes=size,
            )
        )
    _complain(misfits, poor, spec)
    return sorted(chosen, key=lambda wheel: wheel.project)


def _complain(misfits: Sequence[str], poor: Sequence[str], spec: EnvironmentSpec) -> None:
    floor = f"macOS {spec.floors.macos}" if spec.floors.macos else f"glibc {spec.floors.glibc}"
    if misfits:
        raise NoWheelError(
            f"no wheel for Python {spec.python} on {spec.platform} with {floor}: {', '.join(misfits)}",
            hint="name other versions in requirements.in, or raise the floor in virtual-packages.yml",
        )
    if poor:
        raise UncheckableError(
            f"the index gives no sha256 or no size for {', '.join(poor)}",
            hint="take an index that serves PEP 691 with sizes (PEP 700)",
        )
