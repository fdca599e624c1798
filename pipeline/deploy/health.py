"""Whether a generation works on this host: its bundle's own proof, run from its place before anything is switched.

The models are not needed here, since their import takes several times as long as a whole switch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pipeline.errors import HostError, ProofError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipeline.model.manifest import HealthCheck, ProofLevel
    from pipeline.ports import Disk, Running
    from pipeline.proofs.programs import LoadCheck
    from pipeline.proofs.serving import Generation


ALREADY_CURRENT = "it was current already"
NOT_WANTED = "it was not asked for"


class HealthCheckError(ProofError):
    """What was to be switched to does not work on this host; what ran before runs on."""


class HealthWish(NamedTuple):
    """What is asked for.

    Attributes:
        level: ``none`` switches without a check; ``load`` starts the programs; ``run`` has a model answer as well.
        model: a file or folder that the server takes, for ``run``; None where the engine can make one itself.
        platform: of this host; a generation for another one is not checked. Empty compares nothing.
        not_here: why nothing is checked on this host, where the caller knows; empty otherwise.
    """

    level: ProofLevel = "load"
    model: Path | None = None
    platform: str = ""
    not_here: str = ""


class Candidate(NamedTuple):
    """The generation that is about to become the current one.

    Attributes:
        target: ``<engine>/<platform>-<accel>``.
        platform: of the target.
        version: as upstream calls it.
        number: of the generation.
        tree: folder of its files.
        current: version and number of the generation that runs now; None where none does.
    """

    target: str
    platform: str
    version: str
    number: int
    tree: Path
    current: tuple[str, int] | None


def not_run(level: ProofLevel, reason: str) -> dict[str, object]:
    """Return the fields of a ``HealthOutcome`` of a check that was not run."""
    return {
        "level": level,
        "passed": None,
        "reason": reason,
        "version": None,
        "devices": [],
        "generated_tokens": None,
        "ready_seconds": None,
        "resident_bytes": None,
        "seconds": 0.0,
    }


def check_health(
    check: LoadCheck | None, candidate: Candidate, wish: HealthWish, *, services: Running, scratch: Path, disk: Disk
) -> dict[str, object]:
    """Check a generation; return the fields of a ``HealthOutcome``.

    Programs get an environment of their own: an empty home, the system's PATH, and where drivers' loaders are told to
    look. A server listens on loopback alone, and everything has a time limit.

    Args:
        check: how, from the signed manifest (``run`` needs a ``HealthCheck``); None where it says nothing.
        candidate: what is checked.
        wish: how much.
        services: to run programs with.
        scratch: a folder of this change, made and removed here, where programs may leave things.
        disk: how.

    Raises:
        HealthCheckError: it does not work here.
    """
    if wish.level == "none":
        return not_run("none", NOT_WANTED)
    from pipeline.deploy.steps import tell  # noqa: PLC0415 - 25 ms that a switch without a check saves
    from pipeline.proofs.programs import check_loads, clean_environment  # noqa: PLC0415 - as above

    if check is None or (wish.platform and candidate.platform != wish.platform) or wish.not_here:
        reason = wish.not_here or "its manifest entry does not say how"
        if check is not None and not wish.not_here:
            reason = f"it is for {candidate.platform}, and this machine is {wish.platform}"
        tell(services, f"{candidate.target} {candidate.version} is not checked: {reason}")
        return not_run(wish.level, reason)
    began = services.clock.monotonic()
    disk.make_dirs(scratch, durable=False)
    env = {**services.device_env, **clean_environment(scratch, services.base_env)}
    try:
        loaded = check_loads(check, candidate.tree, commands=services.commands, env=env, cwd=scratch)
        ran = None
        if wish.level == "run":
            ran = _complete(check, candidate, wish, services=services, env=env, cwd=scratch)
    except (ProofError, HostError) as error:
        raise _failure(candidate, wish, error) from error
    finally:
        disk.remove(scratch)
    return {
        **not_run(wish.level, ""),
        "passed": True,
        "version": loaded.version,
        "devices": list(loaded.devices),
        **_figures(ran),
        "seconds": round(services.clock.monotonic() - began, 3),
    }


def _figures(ran: Generation | None) -> dict[str, object]:
    if ran is None:
        return {}
    return {
        "generated_tokens": ran.tokens,
        "ready_seconds": round(ran.ready_seconds, 1),
        "resident_bytes": ran.resident_bytes,
    }


def _complete(
    check: LoadCheck,
    candidate: Candidate,
    wish: HealthWish,
    *,
    services: Running,
    env: Mapping[str, str],
    cwd: Path,
) -> Generation:
    """Have the model answer; return what the server did."""
    from pipeline.model.manifest import HealthCheck  # noqa: PLC0415 - see above
    from pipeline.proofs.serving import generate  # noqa: PLC0415 - as above

    if not isinstance(check, HealthCheck):
        raise TypeError("a run needs the whole check")
    if not check.server_args:
        raise ProofError(f"{candidate.target} serves nothing", hint="check it with --health load")
    return generate(check, root=candidate.tree, model=wish.model, services=services, env=env, cwd=cwd, step="check")


def require_model(check: HealthCheck | None, wish: HealthWish, target: str) -> None:
    """Require a model where one is to answer and the engine cannot make one.

    Raises:
        UsageError: there is none.
    """
    if wish.level == "run" and wish.model is None and check is not None and not check.model_args:
        raise UsageError(f"--health run of {target} needs a model", hint="give a GGUF file with --health-model")


def _failure(candidate: Candidate, wish: HealthWish, error: ProofError | HostError) -> HealthCheckError:
    stays = "{} (generation {}) stays current".format(*candidate.current) if candidate.current else "nothing is current"
    kept = f"generation {candidate.number} is kept beside it and checked again by the next `install` or `use`"
    return HealthCheckError(
        f"{candidate.target} {candidate.version} (generation {candidate.number}) fails its health check"
        f" ({wish.level}), so {stays}: {error.message}",
        hint="; ".join(filter(None, (error.hint, kept, "`--health none` switches without a check"))),
    )
