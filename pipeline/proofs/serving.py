"""The last proof: the server answers a chat completion with a real model, and stops when it is told to."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from pipeline.errors import ProofError
from pipeline.events import StepProgress
from pipeline.model.filling import fill
from pipeline.ports import Command

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipeline.model.manifest import HealthCheck
    from pipeline.ports import Running, RunningCommand

_PORT_ATTEMPTS = 3
_POLL_SECONDS = 0.1
_ANSWER_SECONDS = 300.0
_GRACE_SECONDS = 10.0
_SIGTERM_EXIT_CODES = (0, -15, 143)
_PORT_TAKEN = ("couldn't bind", "could not bind", "address already in use", "failed to bind")


class Generation(NamedTuple):
    """What the server did.

    Attributes:
        tokens: generated.
        ready_seconds: from start until /health said ok.
        text: the answer.
    """

    tokens: int
    ready_seconds: float
    text: str


class _PortTakenError(Exception):
    """Somebody else took the port between choosing and binding it."""


def generate(
    check: HealthCheck,
    *,
    program: Path,
    model: Path,
    services: Running,
    env: Mapping[str, str],
    cwd: Path,
    step: str,
) -> Generation:
    """Start the server on loopback, wait for /health, ask for a completion, stop it.

    Args:
        check: arguments, prompt, limits.
        program: the server.
        model: a GGUF file.
        services: to run and to talk with.
        env: the whole environment.
        cwd: a folder outside the bundle.
        step: name of the step that is told what goes on.

    Raises:
        ProofError: it did not get ready, gave too few tokens, or did not stop cleanly; its last lines are shown.
    """
    for _ in range(_PORT_ATTEMPTS):
        try:
            return _generate_once(check, program=program, model=model, services=services, env=env, cwd=cwd, step=step)
        except _PortTakenError:
            continue
    raise ProofError(
        f"the proof's port was taken {_PORT_ATTEMPTS} times in a row", hint="run again when the machine is quieter"
    )


def _generate_once(
    check: HealthCheck,
    *,
    program: Path,
    model: Path,
    services: Running,
    env: Mapping[str, str],
    cwd: Path,
    step: str,
) -> Generation:
    port = services.loopback.free_port()
    filled = {"model": str(model), "port": str(port), "host": "127.0.0.1"}
    arguments = tuple(fill(argument, **filled) for argument in check.server_args)
    server = services.commands.start(Command((str(program), *arguments), cwd=cwd, env=env))
    stopped = False
    try:
        ready_seconds = _wait_until_ready(server, port, check, services)
        services.events.emit(StepProgress(step, 0, check.minimum_tokens, "tokens", "generating"))
        tokens, text = _complete(server, port, check, services)
        services.events.emit(StepProgress(step, tokens, tokens, "tokens", "generated"))
        exit_code = server.stop(grace_seconds=_GRACE_SECONDS)
        stopped = True
    finally:
        if not stopped:
            server.stop(grace_seconds=0)
    if exit_code not in _SIGTERM_EXIT_CODES:
        raise ProofError(f"the server ended with exit code {exit_code} when told to stop{_said(server)}")
    return Generation(tokens=tokens, ready_seconds=ready_seconds, text=text)


def _wait_until_ready(server: RunningCommand, port: int, check: HealthCheck, services: Running) -> float:
    started = services.clock.monotonic()
    while True:
        waited = services.clock.monotonic() - started
        exit_code = server.exit_code()
        if exit_code is not None:
            server.stop(grace_seconds=0)  # its last words are read to the end
            if any(phrase in line.lower() for line in server.output() for phrase in _PORT_TAKEN):
                raise _PortTakenError
            raise ProofError(
                f"the server ended with exit code {exit_code} before it was ready{_said(server)}",
                hint="a model that is missing or damaged, or a library that does not load, shows in its last lines",
            )
        answer = services.loopback.get(port, "/health", timeout_seconds=2.0)
        if answer is not None and answer.status == 200:
            return waited
        if waited > check.ready_timeout_seconds:
            raise ProofError(
                f"the server was not ready after {check.ready_timeout_seconds} s{_said(server)}",
                hint="a busy machine: try again, or raise proof.ready_timeout_seconds in the engine's recipe",
            )
        services.clock.sleep(_POLL_SECONDS)


def _complete(server: RunningCommand, port: int, check: HealthCheck, services: Running) -> tuple[int, str]:
    """Ask for exactly the minimum number of tokens; ``ignore_eos`` keeps a terse model from ending early."""
    body = {
        "messages": [{"role": "user", "content": check.prompt}],
        "max_tokens": check.minimum_tokens,
        "temperature": 0,
        "seed": 1,
        "ignore_eos": True,
    }
    answer = services.loopback.post_json(port, "/v1/chat/completions", body, timeout_seconds=_ANSWER_SECONDS)
    if answer is None:
        raise ProofError(f"the server did not answer a chat completion in {_ANSWER_SECONDS:.0f} s{_said(server)}")
    if answer.status != 200:
        raise ProofError(f"the server answered a chat completion with status {answer.status}{_said(server)}")
    try:
        document = json.loads(answer.body)
        tokens = int(document["usage"]["completion_tokens"])
        text = str(document["choices"][0]["message"]["content"])
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise ProofError(f"the chat completion has another form than OpenAI's: {answer.body[:200]!r}") from error
    if tokens < check.minimum_tokens:
        raise ProofError(f"only {tokens} tokens were generated, at least {check.minimum_tokens} were asked for")
    return tokens, text


def _said(server: RunningCommand) -> str:
    lines = server.output()[-8:]
    return "; it said:\n  " + "\n  ".join(lines) if lines else " and said nothing"
