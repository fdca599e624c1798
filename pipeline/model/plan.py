"""The plan: every step that a request needs, with keys, complete before anything runs."""

from __future__ import annotations

from pydantic import Field

from pipeline.model.actions import Action
from pipeline.model.environment_actions import StepName
from pipeline.model.frozen import Frozen, Sha256
from pipeline.model.manifest import Origin, ProofLevel


class Step(Frozen):
    """One instruction of a plan.

    Attributes:
        name: unique in the plan, for example ``compile llama.cpp b11434 linux-x86_64 core``.
        action: what to do.
        needs: names of steps that come before.
        key: sha256 of everything that changes the output, keys of the needed steps included.
        targets: which targets need it.
        download_bytes: what it brings from outside when it is not there yet; 0 for work done here.
    """

    name: StepName
    action: Action
    needs: tuple[StepName, ...]
    key: Sha256
    targets: tuple[str, ...]
    download_bytes: int = Field(default=0, ge=0)


class Decision(Frozen):
    """What the plan decided about one target, and why.

    Attributes:
        target: ``<engine>/<platform>-<accel>``.
        version: as upstream calls it.
        origin: whether upstream's archives are fetched, its source is built, or an environment is assembled.
        why: the reason for that.
        proof: which proofs the bundle must pass.
        proof_why: why it is no more than that; empty when it is all that was asked for.
        toolchain: recipe of what it is built with; empty for the machine's own compiler, and for what is not built.
    """

    target: str
    version: str
    origin: Origin
    why: str
    proof: ProofLevel
    proof_why: str = ""
    toolchain: str = ""


class Plan(Frozen):
    """Steps in an order in which each comes after those it needs.

    Attributes:
        targets: what was asked for.
        decisions: one a target.
        steps: all of them, each once however many targets need it.
    """

    targets: tuple[str, ...]
    decisions: tuple[Decision, ...] = ()
    steps: tuple[Step, ...]


class StepState(Frozen):
    """What a store knows about a step before it runs.

    Attributes:
        step: its name.
        reused: True when the result is there.
        why: the reason in words.
    """

    step: StepName
    reused: bool
    why: str
