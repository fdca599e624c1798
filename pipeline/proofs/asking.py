"""What a server that runs is asked: which models it has, for an answer at once, and for one in pieces."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from pipeline.errors import ProofError
from pipeline.events import StepProgress
from pipeline.model.counts import counted
from pipeline.proofs.exits import in_words, next_step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.model.manifest import HealthCheck
    from pipeline.ports import HttpAnswer, Running, RunningCommand

_ANSWER_SECONDS = 300.0
_MODELS_SECONDS = 60.0  # it looks through a folder of models
_ENDING_SECONDS = 0.5  # between a connection that breaks and the end of the process that had it
_SHOWN_LINES = 8
_SHOWN_BYTES = 200
_COMPLETIONS = "/v1/chat/completions"
_LAST_EVENT = "[DONE]"  # OpenAI's end of a stream


class Served(NamedTuple):
    """A server that is up.

    Attributes:
        server: its process.
        port: that it listens on.
        check: what it is asked.
        services: to talk with.
        step: name of the step that is told what goes on.
    """

    server: RunningCommand
    port: int
    check: HealthCheck
    services: Running
    step: str


@contextmanager
def answering(served: Served) -> Iterator[None]:
    """Say of whatever goes wrong in here that the server had ended, and how, where it had.

    Raises:
        ProofError: what went wrong.
    """
    try:
        yield
    except ProofError as error:
        if served.server.exit_code() is None:
            served.services.clock.sleep(_ENDING_SECONDS)
        exit_code = served.server.exit_code()
        if exit_code is None:
            raise
        served.server.stop(grace_seconds=0)  # its last words are read to the end
        raise ProofError(
            f"the server ended with {in_words(exit_code)} while it was asked{last_words(served.server)}",
            hint=next_step(exit_code, "why it ended shows in its last lines"),
        ) from error


def complete(served: Served) -> tuple[int, str]:
    """Ask for exactly the minimum number of tokens; return how many came, and the text.

    ``ignore_eos`` keeps llama.cpp's server from ending early; others do not know it and pass it over.

    Raises:
        ProofError: it does not answer, or with too little, or in another form.
    """
    answer = served.services.loopback.post_json(
        served.port, _COMPLETIONS, _question(served.check), timeout_seconds=_ANSWER_SECONDS
    )
    if answer is None:
        raise ProofError(
            f"the server did not answer a chat completion in {_ANSWER_SECONDS:.0f} s{last_words(served.server)}"
        )
    _require_ok(served, answer, "a chat completion")
    try:
        document = json.loads(answer.body)
        tokens = int(document["usage"]["completion_tokens"])
        text = str(document["choices"][0]["message"]["content"])
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise ProofError(
            f"the chat completion has another form than OpenAI's: {answer.body[:_SHOWN_BYTES]!r}"
        ) from error
    _require_enough(served, tokens)
    return tokens, text


def list_models(served: Served) -> tuple[str, ...]:
    """Return the ids of the models that the server says it has.

    Raises:
        ProofError: it does not answer, in another form, or has none.
    """
    answer = served.services.loopback.get(served.port, "/v1/models", timeout_seconds=_MODELS_SECONDS)
    if answer is None:
        raise ProofError(f"the server did not list its models{last_words(served.server)}")
    _require_ok(served, answer, "the list of models")
    try:
        found = tuple(str(model["id"]) for model in json.loads(answer.body)["data"])
    except (ValueError, KeyError, TypeError) as error:
        shown = repr(answer.body[:_SHOWN_BYTES]) if answer.body else "empty"
        raise ProofError(
            f"the list of models has another form than OpenAI's: it is {shown}{last_words(served.server)}"
        ) from error
    if not found:
        raise ProofError("the server was started with a model, and lists none")
    return found


def stream(served: Served) -> int:
    """Ask for the same in a stream of events; return how many tokens came.

    Raises:
        ProofError: it does not stream, breaks off, or gives too few tokens.
    """
    question = {**_question(served.check), "stream": True, "stream_options": {"include_usage": True}}
    wanted, received = served.check.minimum_tokens, 0

    def progress(event: str) -> bool:
        nonlocal received
        received = min(received + 1, wanted)
        served.services.events.emit(StepProgress(served.step, received, wanted, "tokens", "streaming"))
        return event == _LAST_EVENT

    answer = served.services.loopback.post_for_events(
        served.port, _COMPLETIONS, question, timeout_seconds=_ANSWER_SECONDS, on_event=progress
    )
    said = last_words(served.server)
    if answer is None:
        raise ProofError(f"the server did not answer a streaming chat completion in {_ANSWER_SECONDS:.0f} s{said}")
    if answer.status != 200:
        raise ProofError(f"the server answered a streaming chat completion with status {answer.status}{said}")
    if answer.content_type != "text/event-stream":
        raise ProofError(f"the server was asked for a stream and sent {answer.content_type or 'no content type'}{said}")
    if answer.problem:
        raise ProofError(f"the stream broke off after {counted(len(answer.events), 'event')}: {answer.problem}{said}")
    if not answer.events or answer.events[-1] != _LAST_EVENT:
        raise ProofError(f"the stream ended after {counted(len(answer.events), 'event')} without {_LAST_EVENT}{said}")
    pieces, tokens = _read_pieces(answer.events[:-1])
    _require_enough(served, tokens)
    if pieces < 2 <= served.check.minimum_tokens:
        raise ProofError(f"{tokens} tokens were streamed in {pieces} piece: the server collects them first")
    return tokens


def last_words(server: RunningCommand) -> str:
    """Return the server's last lines as the end of a sentence."""
    lines = server.output()[-_SHOWN_LINES:]
    return "; it said:\n  " + "\n  ".join(lines) if lines else " and said nothing"


def first_piece(served: Served) -> str:
    """Ask in a stream, and go at the first piece of text; return it.

    Raises:
        ProofError: it does not stream, or ends without a word.
    """
    found = ""

    def look(event: str) -> bool:
        nonlocal found
        found = _text_of(event)
        return bool(found) or event == _LAST_EVENT

    answer = served.services.loopback.post_for_events(
        served.port,
        _COMPLETIONS,
        {**_question(served.check), "stream": True},
        timeout_seconds=_ANSWER_SECONDS,
        on_event=look,
    )
    if not found:
        how = "nothing" if answer is None else f"{answer.status} {answer.content_type} {answer.problem}".strip()
        raise ProofError(f"the server was asked for a stream and said no word of it ({how}){last_words(served.server)}")
    return found


def _text_of(event: str) -> str:
    """Return what an event of a stream says, an empty text where it says nothing or has another form."""
    try:
        deltas = [choice["delta"] for choice in json.loads(event)["choices"]]
        return "".join(str(delta.get("content") or delta.get("reasoning") or "") for delta in deltas)
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""


def _question(check: HealthCheck) -> dict[str, object]:
    return {
        "messages": [{"role": "user", "content": check.prompt}],
        "max_tokens": check.minimum_tokens,
        "temperature": 0,
        "seed": 1,
        "ignore_eos": True,
    }


def _read_pieces(events: tuple[str, ...]) -> tuple[int, int]:
    """Return in how many pieces text came, and how many tokens: the server's own number, else the pieces."""
    pieces, tokens = 0, None
    for event in events:
        try:
            document = json.loads(event)
            deltas = [choice["delta"] for choice in document["choices"]]
            pieces += any(delta.get("content") or delta.get("reasoning") for delta in deltas)
            if document.get("usage"):
                tokens = int(document["usage"]["completion_tokens"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ProofError(
                f"an event of the stream has another form than OpenAI's: {event[:_SHOWN_BYTES]!r}"
            ) from error
    return pieces, pieces if tokens is None else tokens


def _require_ok(served: Served, answer: HttpAnswer, what: str) -> None:
    if answer.status != 200:
        raise ProofError(f"the server answered {what} with status {answer.status}{last_words(served.server)}")


def _require_enough(served: Served, tokens: int) -> None:
    if tokens < served.check.minimum_tokens:
        raise ProofError(
            f"it generated only {counted(tokens, 'token')}, and at least {served.check.minimum_tokens} were asked for"
        )
