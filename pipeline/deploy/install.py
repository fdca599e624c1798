"""Installing: trust, download what is missing, verify, switch.

Until the last step, the replacement of one pointer file, what runs now runs on untouched.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from pipeline.deploy import pins
from pipeline.deploy.assembling import describe, lay_engine, write_record
from pipeline.deploy.changing import changing, switch
from pipeline.deploy.comparing import FileComparison
from pipeline.deploy.deltas import DeltaPlace, offered_deltas
from pipeline.deploy.environment import Workplace, prepared_environment, unpacked_bytes
from pipeline.deploy.generations import check_generation, find_generation, is_whole
from pipeline.deploy.health import ALREADY_CURRENT, HealthCheckError, not_run, require_model
from pipeline.deploy.host_base import host_python_fault
from pipeline.deploy.install_request import InstallRequest, Resolved, previous_revoked, resolve
from pipeline.deploy.layers import LayerBringer, keep_layers, reusable_layer
from pipeline.deploy.layout import Layout
from pipeline.deploy.location import shown
from pipeline.deploy.needed import needed_layers
from pipeline.deploy.removal import Staying, prune
from pipeline.deploy.repairing import remove_damaged
from pipeline.deploy.requirements import check_space
from pipeline.deploy.steps import step, warn
from pipeline.deploy.trust import TrustedRepository
from pipeline.deploy.verify_trust import is_root
from pipeline.environments.laying import LayerSource
from pipeline.errors import PipelineError
from pipeline.model.installation import HealthOutcome, InstallOutcome

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from pipeline.deploy.deltas import LayerDelta
    from pipeline.deploy.environment import EnvironmentAssembly
    from pipeline.model.installation import Generation, NeededLayer
    from pipeline.model.manifest import Layer
    from pipeline.model.tree import Tree
    from pipeline.ports import Disk, Services


def install(request: InstallRequest, services: Services, *, disk: Disk) -> InstallOutcome:
    """Install a version of an engine, or find that it is installed.

    Args:
        request: what and where.
        services: with a store of its own below the root (``Layout.downloads_dir``).
        disk: how the root is changed.

    Raises:
        TrustError: the repository is not to be trusted.
        IntegrityError: something is not what was signed.
        UsageError, NothingSelectedError: no such target or version, nothing fits, or ``root`` holds other files.
        HostError: what was named does not run here, or the root cannot be written.
        NoAcceleratorError: it computes on the processor and an accelerator was required.
        HealthCheckError: it does not work here; it is kept, and what was current stays so.
        NoSpaceError, NetworkError, OfflineError: as their names say.
    """
    layout = Layout(request.root)
    mend = request.repair
    with changing(layout, services=services, disk=disk, may_be_new=True, mend=mend) as staging, ExitStack() as held:
        with step(services, "trust", why=shown(request.location or "")):
            repository = held.enter_context(
                TrustedRepository.open(
                    request.location,
                    state_dir=layout.trust_dir,
                    trusted_root=request.trusted_root,
                    services=services,
                    disk=disk,
                )
            )
        resolved = resolve(request, repository, services)
        installation = _Installation(request, layout, resolved, repository, services=services, disk=disk)
        return installation.run(staging)


class _Installation:
    """One artifact on its way into one root."""

    def __init__(
        self,
        request: InstallRequest,
        layout: Layout,
        resolved: Resolved,
        repository: TrustedRepository,
        *,
        services: Services,
        disk: Disk,
    ) -> None:
        self._request = request
        self._layout = layout
        self._artifact = artifact = resolved.artifact
        self._resolved = resolved
        self._repository = repository
        self._services = services
        self._disk = disk
        self._wanted = [layer for layer in artifact.layers if layer.is_installed(with_debug=request.with_debug)]
        self._comparison = FileComparison(jobs=services.jobs)
        self._pointer = layout.pointer(artifact.engine)
        numbers = (0, *layout.numbers(artifact.engine))
        self._number = max(*numbers, 0 if self._pointer is None else self._pointer.generation) + 1
        self._deltas: dict[str, LayerDelta] = {}
        self._in_vain: dict[str, int] = {}

    def run(self, staging: Path) -> InstallOutcome:
        require_model(self._artifact.health, self._request.health, self._artifact.target)
        kept = find_generation(self._layout, self._artifact, layers=[layer.name for layer in self._wanted])
        current = kept is not None and self._pointer is not None and self._pointer.generation == kept.number
        named = None if self._request.python is None else self._environment(staging)
        serves = named is None or kept is None or named.runs_on_same_python(kept)
        if kept is not None and serves and self._is_usable(kept, is_current=current):
            health = HealthOutcome.model_validate(not_run(self._request.health.level, ALREADY_CURRENT), strict=False)
            if not current and not self._request.dry_run:
                health = self._check(kept, staging)
                self._switch(kept)
            self._mend(kept)
            return self._outcome(kept, changed=not current, layers=self._needed(None), health=health)
        environment = named or self._environment(staging)
        trees = self._reusable()
        missing = {layer.tree_sha256: layer for layer in self._wanted if layer.tree_sha256 not in trees}
        there = frozenset(trees)
        self._deltas = self._offered(missing.values())
        if self._request.dry_run:
            return self._outcome(None, changed=True, layers=self._needed(there))
        written = unpacked_bytes(self._artifact)
        check_space(missing.values(), folder=self._layout.root, host=self._services.host, written_bytes=written)
        trees |= self._bring(missing.values(), staging)
        with step(self._services, "assemble"):
            generation = self._assemble(trees, set(missing), staging, environment)
        health = self._check(generation, staging)
        self._switch(generation)
        self._mend(generation)
        needed = self._needed(there)
        return self._outcome(generation, changed=True, layers=needed, removed=self._prune(), health=health)

    def _environment(self, staging: Path) -> EnvironmentAssembly | None:
        at = Workplace(self._layout, self._comparison, self._services, self._disk)
        return prepared_environment(self._artifact, self._number, staging, at, python=self._request.python)

    def _check(self, generation: Generation, staging: Path) -> HealthOutcome:
        """Check a generation from its place; one that fails stays there, so that nothing need be brought again."""
        wish = self._request.health
        if not self._request.check_host:
            wish = wish._replace(not_here="what this machine can run does not count (--no-check-host)")
        try:
            with step(self._services, f"check {generation.version}", why=wish.level):
                return check_generation(
                    self._layout,
                    generation,
                    wish,
                    current=self._pointer,
                    services=self._services,
                    scratch=staging / "health",
                    disk=self._disk,
                )
        except HealthCheckError:
            self._prune(also_keep=generation.number)
            raise

    def _is_usable(self, kept: Generation, *, is_current: bool) -> bool:
        """Tell whether a kept generation counts as installed: at a glance for the current one, else by content."""
        if fault := host_python_fault(self._layout, kept):
            warn(self._services, f"generation {kept.number} of {kept.engine} is made anew: {fault}")
            return False
        if not self._request.repair:
            return is_whole(self._layout, kept, comparison=None if is_current else self._comparison)
        wanted = {layer.tree_sha256 for layer in self._wanted}
        return (
            self._layout.is_sealed(kept.engine, kept.number)
            and is_whole(self._layout, kept, comparison=self._comparison)
            and wanted == self._reusable().keys()
        )

    def _reusable(self) -> dict[str, Tree]:
        """Return the wanted layers that are in the root and whole, every file read."""
        digests = dict.fromkeys(layer.tree_sha256 for layer in self._wanted)
        found = {sha256: reusable_layer(self._layout, sha256, comparison=self._comparison) for sha256 in digests}
        return {sha256: tree for sha256, tree in found.items() if tree is not None}

    def _offered(self, missing: Collection[Layer]) -> dict[str, LayerDelta]:
        if not self._request.deltas:
            return {}
        place = DeltaPlace(self._artifact.engine, self._layout, self._repository, self._services)
        return offered_deltas(missing, place, at_hand=self._resolved.given.layers)

    def _bring(self, layers: Collection[Layer], staging: Path) -> dict[str, Tree]:
        bringer = LayerBringer(
            self._artifact.engine,
            self._repository,
            self._services,
            self._disk,
            staging,
            given=self._resolved.given.layers,
            deltas=self._deltas,
            in_vain=self._in_vain,
        )
        return bringer.replace(layers, self._layout, self._comparison)

    def _assemble(
        self, trees: dict[str, Tree], staged: set[str], staging: Path, environment: EnvironmentAssembly | None
    ) -> Generation:
        """Lay the layers together in staging, bring everything to the disk, then move it into place."""
        folder = staging / "generation"
        layers = [
            LayerSource(
                layer.role,
                trees[layer.tree_sha256],
                (staging / "layers" if layer.tree_sha256 in staged else self._layout.layers_dir) / layer.tree_sha256,
            )
            for layer in self._wanted
        ]
        if environment is not None:
            tree = environment.make(layers, staging)
        else:
            tree = lay_engine(self._artifact, layers, folder / "tree", comparison=self._comparison, disk=self._disk)
        now = self._services.clock.now_seconds()
        generation = describe(self._artifact, tree, self._wanted, self._repository, number=self._number, now=now)
        write_record(generation, folder, disk=self._disk)
        place = self._layout.generation_dir(generation.engine, generation.number)
        self._disk.make_dirs(place.parent)
        self._disk.sync(staging)
        keep_layers(self._layout, staged, disk=self._disk, staging=staging)
        if environment is not None:
            environment.keep(staging)
        self._disk.move(folder, place, durable=False)
        self._disk.sync_names(place.parent)
        return generation

    def _switch(self, generation: Generation) -> None:
        history = () if self._pointer is None else (self._pointer.generation, *self._pointer.history)
        if self._request.unpin:
            pins.remove_pin(self._layout, generation.engine, disk=self._disk)
        if not self._layout.trusted_root_path.exists():
            self._keep_root()  # before what it is for, so that a crash cannot leave the one without the other
        switch(self._layout, generation, disk=self._disk, history=history)

    def _keep_root(self) -> None:
        """Keep what trust starts from, so that later commands need not be told."""
        path = self._layout.trusted_root_path
        self._disk.replace_file(path, self._request.trusted_root, staging_dir=self._layout.staging_dir)

    def _mend(self, current: Generation) -> None:
        """Put right what is damaged beside the generation that is current now, where that was asked for."""
        if not self._request.repair or self._request.dry_run:
            return
        remove_damaged(self._layout, current, comparison=self._comparison, services=self._services, disk=self._disk)
        if not is_root(self._layout.trusted_root_path):
            self._keep_root()

    def _prune(self, also_keep: int | None = None) -> tuple[int, ...]:
        """Remove what is beyond the number to keep; the installation is done and does not fail for that."""
        stays = Staying(self._request.keep, self._request.pins, also_keep)
        try:
            return prune(self._layout, self._artifact.engine, stays=stays, disk=self._disk)
        except PipelineError as error:
            warn(self._services, f"old generations could not be removed: {error.message}")
            return ()

    def _needed(self, there: Collection[str] | None) -> tuple[NeededLayer, ...]:
        """Say of each wanted layer whether it has to be brought; None means that none has."""
        at_hand = self._resolved.given.layers
        return needed_layers(self._wanted, there=there, at_hand=at_hand, deltas=self._deltas, in_vain=self._in_vain)

    def _outcome(
        self,
        generation: Generation | None,
        *,
        changed: bool,
        layers: tuple[NeededLayer, ...],
        removed: tuple[int, ...] = (),
        health: HealthOutcome | None = None,
    ) -> InstallOutcome:
        tree_dir = None if generation is None else self._layout.tree_dir(generation.engine, generation.number)
        programs = {} if tree_dir is None else {n: str(tree_dir / p) for n, p in self._artifact.entry_points.items()}
        return InstallOutcome(
            changed=changed,
            dry_run=self._request.dry_run,
            target=self._artifact.target,
            version=self._artifact.version,
            previous_version=None if self._pointer is None else self._pointer.version,
            generation=None if generation is None else generation.number,
            path=None if tree_dir is None else str(tree_dir),
            programs=programs,
            layers=layers,
            downloaded_bytes=sum(layer.download_bytes for layer in layers),
            removed_generations=removed,
            development=self._repository.development,
            rehearsal=self._artifact.rehearsal,
            selection=self._resolved.selection,
            health=None if self._request.dry_run else health,
            pinned=self._resolved.pin is not None,
            passed_over=self._resolved.passed_over,
            previous_revoked=previous_revoked(self._layout, self._pointer, self._resolved, self._services),
        )
