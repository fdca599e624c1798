"""The last proof: the server answers a chat completion with a real model, and stops when it is told to."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from pipeline.errors import ProofError
from pipeline.events import StepProgress
from pipeline.model.filling import fill
from pipeline.ports import Command
from pipeline.proofs.asking import Served, answering, complete, first_piece, last_words, list_models, stream
from pipeline.proofs.exits import in_words, next_step
from pipeline.proofs.programs import find_program, make_model, own_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pipeline.model.manifest import HealthCheck
    from pipeline.ports import HttpAnswer, Running

_Found = TypeVar("_Found")

_PORT_ATTEMPTS = 3
_POLL_SECONDS = 0.1
_MEASURING_POLL_SECONDS = 0.01
_GRACE_SECONDS = 10.0
_SIGTERM_EXIT_CODES = (0, -15, 143)
_PORT_TAKEN = ("couldn't bind", "could not bind", "address already in use", "failed to bind")


class Generation(NamedTuple):
    """What the server did.

    Attributes:
        tokens: generated.
        ready_seconds: from start until /health said ok.
        text: the answer.
        resident_bytes: most memory that it had resident, just before it was stopped; None where nobody knows.
        model: name of the file or folder that was given, or what made one.
        streamed_tokens: generated in a stream; None where no stream was asked for.
    """

    tokens: int
    ready_seconds: float
    text: str
    resident_bytes: int | None
    model: str
    streamed_tokens: int | None = None


class FirstToken(NamedTuple):
    """How long a server took to say something.

    Attributes:
        ready_seconds: from its start until /health said ok.
        first_seconds: from the question until the first piece of the answer.
        text: that piece.
    """

    ready_seconds: float
    first_seconds: float
    text: str


class _PortTakenError(Exception):
    """Somebody else took the port between choosing and binding it."""


def generate(
    check: HealthCheck,
    *,
    root: Path,
    model: Path | None,
    services: Running,
    env: Mapping[str, str],
    cwd: Path,
    step: str,
) -> Generation:
    """Start the server on loopback, wait for /health, ask for a completion, stop it.

    Of an engine that makes itself a model, more is asked: the list of its models, and a completion in a stream.

    Args:
        check: arguments, prompt, limits.
        root: folder of the bundle's files.
        model: a file or folder that the server takes; None makes a small one as the check says.
        services: to run and to talk with.
        env: the environment, without what the check sets.
        cwd: a folder outside the bundle.
        step: name of the step that is told what goes on.

    Raises:
        ProofError: there is no model, it did not get ready, gave too few tokens, or did not stop cleanly; its last
            lines are shown.
    """
    env = own_environment(check, root, env)
    name = "made on the spot" if model is None else model.name
    if check.model_args:
        env = _with_model_folder(env, cwd)
    if model is None:
        model = make_model(check, root, cwd / "tiny-model", commands=services.commands, env=env, cwd=cwd)
    return _on_a_free_port(
        check,
        lambda command, port: _generate_once(check, command, port, services=services, step=step)._replace(model=name),
        root=root,
        model=model,
        services=services,
        env=env,
        cwd=cwd,
    )


def first_token(
    check: HealthCheck, *, root: Path, model: Path, services: Running, env: Mapping[str, str], cwd: Path
) -> FirstToken:
    """Start the server, ask in a stream, and stop it at the first piece of the answer; otherwise as ``generate``.

    Raises:
        ProofError: it did not get ready, or did not answer in a stream.
    """
    env = own_environment(check, root, env)
    if check.model_args:
        env = _with_model_folder(env, cwd)

    def once(command: Command, port: int) -> FirstToken:
        started = services.clock.monotonic()
        server = services.commands.start(command)
        served = Served(server, port, check, services, "first token")
        try:
            _wait_until_ready(served, poll_seconds=_MEASURING_POLL_SECONDS)
            asked = services.clock.monotonic()
            with answering(served):
                text = first_piece(served)
            return FirstToken(asked - started, services.clock.monotonic() - asked, text)
        finally:
            server.stop(grace_seconds=_GRACE_SECONDS)

    return _on_a_free_port(check, once, root=root, model=model, services=services, env=env, cwd=cwd)


def _on_a_free_port(
    check: HealthCheck,
    once: Callable[[Command, int], _Found],
    *,
    root: Path,
    model: Path,
    services: Running,
    env: Mapping[str, str],
    cwd: Path,
) -> _Found:
    program = find_program(root, check.program)
    for _ in range(_PORT_ATTEMPTS):
        port = services.loopback.free_port()
        filled = {"model": str(model), "port": str(port), "host": "127.0.0.1", "tree": str(root)}
        arguments = tuple(fill(argument, **filled) for argument in check.server_args)
        command = Command((str(program), *arguments), cwd=cwd, env=env)
        try:
            return once(command, port)
        except _PortTakenError:
            continue
    raise ProofError(
        f"the proof's port was taken {_PORT_ATTEMPTS} times in a row", hint="run again when the machine is quieter"
    )


def _generate_once(check: HealthCheck, command: Command, port: int, *, services: Running, step: str) -> Generation:
    server = services.commands.start(command)
    served = Served(server, port, check, services, step)
    stopped = False
    try:
        ready_seconds = _wait_until_ready(served)
        services.events.emit(StepProgress(step, 0, check.minimum_tokens, "tokens", "generating"))
        with answering(served):
            if check.model_args:
                list_models(served)
            tokens, text = complete(served)
            streamed = stream(served) if check.model_args else None
        services.events.emit(StepProgress(step, tokens, tokens, "tokens", "generated"))
        resident_bytes = server.peak_resident_bytes()
        exit_code = server.stop(grace_seconds=_GRACE_SECONDS)
        stopped = True
    finally:
        if not stopped:
            server.stop(grace_seconds=0)
    if exit_code not in _SIGTERM_EXIT_CODES:
        raise ProofError(f"the server ended with {in_words(exit_code)} when told to stop{last_words(server)}")
    return Generation(tokens, ready_seconds, text, resident_bytes, model="", streamed_tokens=streamed)


def _wait_until_ready(served: Served, *, poll_seconds: float = _POLL_SECONDS) -> float:
    server, services, limit = served.server, served.services, served.check.ready_timeout_seconds
    started = services.clock.monotonic()
    while True:
        waited = services.clock.monotonic() - started
        exit_code = server.exit_code()
        if exit_code is not None:
            server.stop(grace_seconds=0)  # its last words are read to the end
        # mlx_lm has a thread that keeps it running without its port
        if any(phrase in line.lower() for line in server.output() for phrase in _PORT_TAKEN):
            raise _PortTakenError
        if exit_code is not None:
            raise ProofError(
                f"the server ended with {in_words(exit_code)} before it was ready{last_words(server)}",
                hint=next_step(
                    exit_code,
                    "a model that is missing or damaged, or a library that does not load, shows in its last lines",
                ),
            )
        answer = services.loopback.get(served.port, "/health", timeout_seconds=2.0)
        if answer is not None and answer.status == 200:
            return waited
        if answer is not None and _has_given_up(answer):
            raise ProofError(
                f"the server runs and says that it cannot serve{last_words(server)}",
                hint="a model that is missing or damaged, or memory that does not suffice, shows in its last lines",
            )
        if waited > limit:
            raise ProofError(
                f"the server was not ready after {limit} s{last_words(server)}",
                hint="a busy machine: try again, or raise proof.ready_timeout_seconds in the engine's recipe",
            )
        services.clock.sleep(poll_seconds)


def _has_given_up(answer: HttpAnswer) -> bool:
    """Tell whether a server says that it will never be ready: what mlx_lm answers once its model failed to load.

    llama.cpp, which is only loading then, answers 503 with an ``error``.
    """
    try:
        document = json.loads(answer.body)
    except ValueError:
        return False
    return answer.status == 503 and isinstance(document, dict) and document.get("status") == "unavailable"


def _with_model_folder(env: Mapping[str, str], cwd: Path) -> dict[str, str]:
    """Return the environment with an empty folder of models of its own, where the check names none.

    ``mlx_lm.server`` looks through ``$HF_HOME/hub``, and its list of models is an empty answer where that is missing.
    """
    home = cwd / "huggingface"
    (home / "hub").mkdir(parents=True, exist_ok=True)
    return {"HF_HOME": str(home), **env}
