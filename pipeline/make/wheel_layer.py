"""Makes a layer of wheels: every file where it belongs below an environment's prefix, checked against its RECORD."""

from __future__ import annotations

import base64
import posixpath
import re
import warnings
import zipfile
from typing import TYPE_CHECKING

from installer import install
from installer.exceptions import InstallerError
from installer.records import parse_record_file
from installer.sources import WheelFile as WheelArchive
from installer.utils import parse_metadata_file
from packageurl import PackageURL
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from pipeline.errors import IntegrityError
from pipeline.events import StepProgress
from pipeline.make.licenses import license_of_metadata
from pipeline.make.outputs import Outputs, Results, made
from pipeline.make.packing import pack_layer
from pipeline.make.wheel_unpacking import INSTALLER_NAME, LayerTree
from pipeline.model.counts import counted
from pipeline.model.statements import Part
from pipeline.proofs.wheel_tags import wheel_problem

if TYPE_CHECKING:
    from email.message import Message
    from pathlib import Path

    from pipeline.model.environment import WheelFile
    from pipeline.model.environment_actions import MakeWheelLayer
    from pipeline.ports import Services

_SHOWN = 300  # characters of what the library says of a wheel
_HEX_DIGEST = re.compile(r",sha256=([0-9a-f]{64}),")


class _Wheel(WheelArchive):
    """A wheel whose RECORD may have digests in hex, as uv 0.7.22 wrote them (mflux 0.17.5); the format is base64."""

    def read_dist_info(self, filename: str) -> str:
        """Return a file of the metadata, digests of RECORD as the format has them."""
        text = super().read_dist_info(filename)
        return _HEX_DIGEST.sub(_in_base64, text) if filename == "RECORD" else text


def make_wheel_layer(action: MakeWheelLayer, step: str, services: Services, results: Results, work: Path) -> Outputs:
    """Unpack wheels into one tree and pack it.

    Raises:
        IntegrityError: a wheel is damaged, not the project or version that is locked, not for this Python or platform,
            has a file that its RECORD does not vouch for or that leaves the prefix, or contradicts another wheel.
    """
    tree = LayerTree(work / "layer", python=action.python)
    parts: list[Part] = []
    for done, wheel in enumerate(action.wheels):
        services.events.emit(StepProgress(step, done, len(action.wheels), "files", wheel.filename))
        _require_fit(wheel, action)
        blob = results[action.fetched].blobs.get(wheel.filename)
        if blob is None or blob.sha256 != wheel.sha256:
            raise IntegrityError(f"{wheel.filename} was not brought as it is locked", hint="this is a bug")
        path = work / wheel.filename
        services.store.copy_blob(blob, path)
        metadata = unpack_wheel(path, wheel, tree)
        path.unlink()
        parts.append(_part(wheel, metadata, stated=action.licenses.get(wheel.project)))
    packed = pack_layer(tree.folder, action, step, services=services, work=work)
    return made(
        trees={"layer": packed.tree},
        blobs={"layer": packed.archive},
        facts={
            "name": action.layer_name,
            "role": action.role,
            "scripts": dict(sorted(tree.scripts.items())),
            "packages": [part.model_dump(mode="json") for part in parts],
        },
        summary=f"{counted(len(action.wheels), 'wheel')}, {packed.summary}",
    )


def unpack_wheel(path: Path, wheel: WheelFile, tree: LayerTree) -> Message:
    """Lay a wheel's files into the tree; return its metadata."""
    try:
        with _Wheel.open(path) as source:
            metadata = parse_metadata_file(source.read_dist_info("METADATA"))
            _require_itself(wheel, metadata, source)
            source.validate_record()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # it leaves compiled files out, and says so
                install(
                    source,
                    tree.destination(wheel.filename, project=wheel.project),
                    {"INSTALLER": f"{INSTALLER_NAME}\n".encode()},
                )
            return metadata
    except (zipfile.BadZipFile, InstallerError, KeyError, ValueError, AssertionError, EOFError) as error:
        said = " ".join(str(error).split())[:_SHOWN]
        raise IntegrityError(f"{wheel.filename} cannot be used: {said}", hint="lock another version of it") from error


def _require_fit(wheel: WheelFile, action: MakeWheelLayer) -> None:
    """Refuse a wheel by its name: of another project or version, for another Python, system or processor."""
    try:
        version = Version(wheel.version)
    except InvalidVersion as error:
        raise _contradiction(wheel, f"is locked with the version {wheel.version}") from error
    if _parse(wheel) != (wheel.project, version):
        raise _contradiction(wheel, f"is locked as {wheel.project} {wheel.version}")
    problem = wheel_problem(wheel.filename, platform=action.platform, python=action.python, floors=action.floors)
    if problem:
        raise _contradiction(wheel, problem)


def _parse(wheel: WheelFile) -> tuple[str, Version]:
    try:
        project, version, _, _ = parse_wheel_filename(wheel.filename)
    except InvalidWheelFilename as error:
        raise _contradiction(wheel, "has no wheel's name") from error
    return project, version


def _require_itself(wheel: WheelFile, metadata: Message, source: WheelArchive) -> None:
    """Refuse a wheel that says of itself, inside, that it is something else, or whose RECORD lists what it lacks."""
    name, version = metadata["Name"] or "", metadata["Version"] or ""
    try:
        same = (canonicalize_name(name), Version(version)) == (wheel.project, Version(wheel.version))
    except InvalidVersion:
        same = False
    if not same:
        raise _contradiction(wheel, f"says of itself that it is {name} {version}")
    has = {posixpath.join(source.dist_info_dir, file) for file in source.dist_info_filenames}
    listed = {entry[0] for entry in parse_record_file(source.read_dist_info("RECORD").splitlines())}
    lost = sorted(file for file in listed if file.startswith(f"{source.dist_info_dir}/") and file not in has)
    if lost:
        raise _contradiction(wheel, f"lacks {', '.join(lost)}, which its RECORD lists")


def _in_base64(found: re.Match[str]) -> str:
    digest = base64.urlsafe_b64encode(bytes.fromhex(found[1])).decode().rstrip("=")
    return f",sha256={digest},"


def _contradiction(wheel: WheelFile, why: str) -> IntegrityError:
    return IntegrityError(f"{wheel.filename} {why}", hint="lock the environment anew with `lock --env`")


def _part(wheel: WheelFile, metadata: Message, *, stated: str | None) -> Part:
    """Return a wheel as the bill of materials lists it; purl specification, type pypi."""
    return Part(
        name=wheel.project,
        license=license_of_metadata(metadata, stated=stated),
        version=wheel.version,
        purl=PackageURL(type="pypi", name=wheel.project, version=wheel.version).to_string(),
        sha256=wheel.sha256,
    )
