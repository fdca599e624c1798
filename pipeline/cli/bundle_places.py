"""A place that bundles are read from for a report: a dist folder, or a signed repository."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit
from urllib.request import url2pathname

from pipeline.app.downloading import passing_downloads
from pipeline.app.services import disk
from pipeline.cli.locations import location_of
from pipeline.cli.published_deltas import published_deltas
from pipeline.cli.trusted_root import find_trusted_root
from pipeline.deploy.trust import TrustedRepository
from pipeline.errors import IntegrityError, UsageError
from pipeline.model.manifest_document import read_document
from pipeline.model.repository_layout import METADATA_FOLDER
from pipeline.model.step_times import TIMES_FILE, StepTimes
from pipeline.publish.dist import MANIFEST_FILE, read_manifest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from pipeline.cli.session import Session
    from pipeline.measure.updating import DeltaOf
    from pipeline.model.manifest import Artifact, Layer
    from pipeline.model.step_times import StepTime
    from pipeline.ports import Services


@dataclass(frozen=True, slots=True)
class BundlePlace:
    """What a place offers.

    Attributes:
        kind: of the place.
        release: our own name of the newest release.
        created: when that was made.
        artifacts: every bundle.
        archive_of: gives the archive of a bundle's layer; downloaded, where it is elsewhere, and not kept.
        times: how long steps took; none in a repository.
        delta_of: gives a published delta and what is wrong with it; None where there is no repository.
    """

    kind: Literal["dist", "repository"]
    release: str
    created: str
    artifacts: tuple[Artifact, ...]
    archive_of: Callable[[Artifact, Layer], AbstractContextManager[Path]]
    times: tuple[StepTime, ...] = ()
    delta_of: DeltaOf | None = None


@contextmanager
def bundle_place(
    session: Session, text: str, *, trusted_root: Path | None, services: Services, is_earlier: bool = False
) -> Iterator[BundlePlace]:
    """Give a place that a user named.

    Args:
        session: of the command.
        text: a dist folder, or the folder or url of a signed repository.
        trusted_root: what the user named to check a repository with.
        services: to read it with.
        is_earlier: it may be an old copy of a repository; what is seen of it is not remembered.

    Raises:
        UsageError: it is neither.
        NothingSelectedError: it is empty.
        IntegrityError: its manifest or its times are malformed.
        TrustError, NetworkError, OfflineError: a repository cannot be trusted or reached.
    """
    location = location_of(text)
    if "://" not in location and not (Path(location) / METADATA_FOLDER).is_dir():
        yield _dist(Path(location), text)
        return
    root = find_trusted_root(session, flag=trusted_root, pinned=None)
    kept = nullcontext(session.settings.cache_dir / "trust")
    with (
        services.store.work_dir("report-baseline") if is_earlier else kept as state_dir,
        TrustedRepository.open(
            location, state_dir=state_dir, trusted_root=root, services=services, disk=disk()
        ) as repository,
    ):
        yield _repository(session, location, repository, services)


def _dist(folder: Path, text: str) -> BundlePlace:
    if not (folder / MANIFEST_FILE).is_file():
        raise UsageError(
            f"{text} is neither a dist folder nor a repository: it has no {MANIFEST_FILE} and no {METADATA_FOLDER}",
            hint="name the folder that `build --output` or `publish --to` wrote, or a repository's url",
        )
    manifest = read_manifest_of(folder)

    def archive_of(artifact: Artifact, layer: Layer) -> AbstractContextManager[Path]:
        if ":" in layer.url:
            raise UsageError(
                f"layer {layer.name} of {artifact.target} is at {layer.url}, which is not in {folder}",
                hint="report about the repository that it is published in",
            )
        return nullcontext(folder / layer.url)

    return BundlePlace("dist", manifest.release, manifest.created, manifest.artifacts, archive_of, _times(folder))


def _times(folder: Path) -> tuple[StepTime, ...]:
    path = folder / TIMES_FILE
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return ()
    try:
        return read_document(StepTimes, data, what=str(path)).steps
    except IntegrityError as error:
        raise IntegrityError(
            error.message, hint="remove it: no release needs it, and `build` writes it again"
        ) from error


def _repository(session: Session, location: str, repository: TrustedRepository, services: Services) -> BundlePlace:
    manifests = [repository.manifest(engine) for engine in repository.engines()]
    headers = [(manifest.created, manifest.release) for manifest in manifests]
    created, release = max(headers, default=("1970-01-01T00:00:00Z", "none"))

    @contextmanager
    def archive_of(artifact: Artifact, layer: Layer) -> Iterator[Path]:
        what = f"layer {layer.name} of {artifact.target} {artifact.version}"
        request = repository.request(engine=artifact.engine, sha256=layer.sha256, size_bytes=layer.size, what=what)
        if request.urls[0].startswith("file:"):
            yield Path(url2pathname(urlsplit(request.urls[0]).path))
            return
        if services.store.has_blob(layer.sha256):
            yield services.store.blob_path(layer.sha256)
            return
        with (
            services.store.work_dir(f"report-{layer.sha256[:20]}") as folder,
            passing_downloads(services, session.settings, folder, location=location) as passing,
        ):
            passing.downloader.fetch(request)
            yield passing.store.blob_path(layer.sha256)

    artifacts = tuple(artifact for manifest in manifests for artifact in manifest.artifacts)
    deltas = published_deltas(repository)
    return BundlePlace("repository", release, created, artifacts, archive_of, delta_of=deltas)
