"""Carries a plan out: every step once, results kept under their keys, the bundles written with their manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import PipelineError
from pipeline.events import Notice, StepFailed, StepFinished, StepReused, StepStarted
from pipeline.make.archive import download_archives, fetch_archive
from pipeline.make.bundle import make_bundle
from pipeline.make.compile import compile_component
from pipeline.make.deliver import deliver, prepare, refuse_mixing
from pipeline.make.downloads import require_space_for_downloads
from pipeline.make.fetch import fetch_model, fetch_source
from pipeline.make.layer import make_layer
from pipeline.make.lowering import lowered, lowered_action, proved_less, settle
from pipeline.make.package_steps import carry_out
from pipeline.make.prove import prove
from pipeline.make.rehearse import rehearse_layer
from pipeline.make.split import split_layer
from pipeline.make.step_log import StepLog
from pipeline.make.web_ui import build_web_ui
from pipeline.make.wheel_steps import carry_out_wheel_step
from pipeline.model.actions import BuildWebUi, Compile, FetchModel, FetchSource, MakeBundle, MakeLayer, Prove
from pipeline.model.archive_actions import FetchArchive, SplitLayer
from pipeline.model.rehearsal_actions import RehearseLayer
from pipeline.model.result import StepResult
from pipeline.model.wheel_actions import BuildWheel, ProveWheel
from pipeline.plan.debug_information import debug_left_behind
from pipeline.plan.keys import step_key
from pipeline.plan.states import outstanding, why_wanted

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.make.outputs import Outputs, Results
    from pipeline.model.manifest import Manifest
    from pipeline.model.plan import Decision, Plan, Step
    from pipeline.model.release_plan import ReleasePlan
    from pipeline.ports import Services


def run(
    plan: Plan,
    services: Services,
    output_dir: Path,
    *,
    release: str | None = None,
    expected: ReleasePlan | None = None,
) -> Manifest:
    """Carry out every step that is not in the store yet, then write bundles, layers and ``manifest.json``.

    Steps that no missing result needs are not looked at again: a source or model whose products are all there is not
    brought back. A proof that this machine cannot give in full is kept apart: each build tries it again.

    Args:
        plan: complete.
        services: to touch the world with.
        output_dir: for the bundles; made when it is not there.
        release: our own name of the release; None derives one from the newest pin's date.
        expected: the whole release that this is a part of; what the folder then lacks stands in its manifest.

    Raises:
        RehearsalError: the folder has real bundles and a rehearsal would come beside them, or the other way round.
        NoSpaceError: the cache's disk cannot hold what is to be downloaded; nothing was begun.
        PipelineError: a step failed; the steps before it are kept.
    """
    plan = settle(plan, services)
    prepare(output_dir)
    refuse_mixing(output_dir, rehearsal=any(isinstance(step.action, RehearseLayer) for step in plan.steps))
    log = StepLog(services.clock)
    plan, results = carry_out_plan(plan, services, log=log)
    return deliver(plan, results, services, output_dir, release=release, expected=expected, times=log.times())


def carry_out_plan(plan: Plan, services: Services, *, log: StepLog | None = None) -> tuple[Plan, Results]:
    """Carry out every step that is not in the store yet; return the plan as it was proven, and the results.

    Args:
        plan: complete.
        services: to touch the world with.
        log: takes how long each step took.

    Raises:
        NoSpaceError, PipelineError: as ``run``.
    """
    results: Results
    results, wanted = outstanding(plan, services.store)
    log = log or StepLog(services.clock)
    for decision in plan.decisions:
        _tell(decision, services)
    if left_behind := debug_left_behind(plan, wanted):
        services.events.emit(Notice(left_behind, "warning"))
    require_space_for_downloads((step for step in plan.steps if step.name in wanted), services)
    actions = [step.action for step in plan.steps if step.name in wanted]
    download_archives([action for action in actions if isinstance(action, FetchArchive)], services)
    for number in range(len(plan.steps)):
        step = plan.steps[number]
        if step.name in results:
            services.events.emit(StepReused(step.name, step.key))
            log.reused(step)
        elif step.name in wanted:
            started = services.clock.monotonic()
            results[step.name], is_made = _run_step(step, why_wanted(step, wanted), services, results)
            if is_made:
                log.done(step, started=started)
            else:
                log.reused(step)
            if results[step.name].key != step.key:  # it proved less than was planned
                plan = lowered(plan, step.name)
    return plan, results


def _tell(decision: Decision, services: Services) -> None:
    """Say where a target comes from and why, and loudly when less is proven than could be asked for."""
    name = f"{decision.target} {decision.version}"
    services.events.emit(Notice(f"{name} is {decision.origin}: {decision.why}"))
    if decision.proof_why:
        text = f"{name} is measured and not run (proof level {decision.proof}): {decision.proof_why}"
        services.events.emit(Notice(text, "warning"))


def _run_step(step: Step, why: str, services: Services, results: Results) -> tuple[StepResult, bool]:
    """Return a step's result, and whether it was made here: not where another process made it meanwhile."""
    services.events.emit(StepStarted(step.name, why))
    started = services.clock.monotonic()
    keep = isinstance(step.action, Compile | BuildWheel)
    place = (
        step.action.place if isinstance(step.action, Compile | BuildWheel) else f"{step.action.kind}-{step.key[:20]}"
    )
    try:
        with services.store.work_dir(place, keep=keep) as work:
            known = services.store.result(step.key)
            if known is not None:  # another process made it while this one waited for the folder
                services.events.emit(StepReused(step.name, step.key))
                return known, False
            outputs = _dispatch(step, services, results, work)
            key = _key_of(step, outputs, results)
            trees, blobs, facts = dict(outputs.trees), dict(outputs.blobs), dict(outputs.facts)
            result = StepResult(key=key, trees=trees, blobs=blobs, facts=facts)
            services.store.put_result(result)
            if keep:
                services.store.drop_work_dir(place)  # only now: until the result is kept, a killed build resumes in it
    except PipelineError as error:
        services.events.emit(StepFailed(step.name, error.message))
        raise
    services.events.emit(StepFinished(step.name, services.clock.monotonic() - started, outputs.summary))
    return result, True


def _key_of(step: Step, outputs: Outputs, results: Results) -> str:
    """Return what a step's result is kept under: its key, or another one where it proved less than was planned."""
    if not proved_less(step, outputs.facts):
        return step.key
    return step_key(lowered_action(step.action), [results[needed].key for needed in step.needs])


def _dispatch(step: Step, services: Services, results: Results, work: Path) -> Outputs:
    match step.action:
        case FetchSource() | FetchModel() | FetchArchive() as action:
            outputs = _fetch(action, step.name, services, work)
        case BuildWebUi() as action:
            outputs = build_web_ui(action, step.key, services, results, work)
        case Compile() | BuildWheel() | ProveWheel() as action:
            outputs = _compile(action, step, services, results, work)
        case MakeLayer() as action:
            outputs = make_layer(action, step.name, services, results, work)
        case SplitLayer() as action:
            outputs = split_layer(action, step.name, services, results, work)
        case Prove() as action:
            outputs = prove(action, step.name, services, results, work)
        case RehearseLayer() as action:
            outputs = rehearse_layer(action, step.name, services, work)
        case MakeBundle() as action:
            outputs = make_bundle(action, step.name, services, results, work)
        case _:
            outputs = carry_out(step.action, step.name, services, results, work)
    return outputs


def _compile(
    action: Compile | BuildWheel | ProveWheel, step: Step, services: Services, results: Results, work: Path
) -> Outputs:
    if isinstance(action, Compile):
        return compile_component(action, step, services, results, work)
    return carry_out_wheel_step(action, step, services, results, work)


def _fetch(action: FetchSource | FetchModel | FetchArchive, step: str, services: Services, work: Path) -> Outputs:
    match action:
        case FetchSource():
            return fetch_source(action, step, services, work)
        case FetchModel():
            return fetch_model(action, step, services, work)
        case FetchArchive():
            return fetch_archive(action, step, services, work)
