"""GitHub's expressions (``${{ }}``), as far as generated workflows use them; anything else is refused, never guessed.

docs.github.com, "Evaluate expressions in workflows and actions": loose comparison ignores case, a property that is not
there is empty, ``&&`` and ``||`` return one of their operands.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_TOKEN = re.compile(r"\s*(?:(\|\||&&|==|!=|!|\(|\))|'((?:[^']|'')*)'|(\d+)|([A-Za-z_][A-Za-z0-9_.-]*))")
_HOLE = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_ABSENT_IS_EMPTY = {"vars", "secrets", "inputs", "matrix", "outputs", "env"}


class UnknownExpressionError(AssertionError):
    """An expression has what this evaluator does not know."""


@dataclass(frozen=True)
class Expressions:
    """Evaluates expressions.

    Attributes:
        contexts: name to nested dicts.
        failed: whether a step before has failed.
    """

    contexts: dict[str, Any]
    failed: bool = False

    def fill(self, text: str) -> str:
        """Return a text with every hole filled in."""
        return _HOLE.sub(lambda hole: _shown(self.value(hole[1])), text)

    def holds(self, condition: str) -> bool:
        """Tell whether a step with that ``if:`` runs; without a status function it does only where nothing failed."""
        text = condition.strip()
        if match := re.fullmatch(r"\$\{\{(.*)\}\}", text, re.DOTALL):
            text = match[1]
        asks_status = re.search(r"\b(?:always|failure|success)\(\)", text) is not None
        return _truth(self.value(text)) and (asks_status or not self.failed)

    def value(self, text: str) -> Any:
        """Return what an expression is."""
        reader = _Reader(_tokens(text), self)
        found = reader.either()
        if reader.tokens:
            raise UnknownExpressionError(f"{text!r}: cannot go on at {reader.tokens[0]}")
        return found

    def call(self, name: str) -> bool:
        """Return what a status function says."""
        known = {"always": True, "failure": self.failed, "success": not self.failed}
        if name not in known:
            raise UnknownExpressionError(f"{name}() is not known")
        return known[name]

    def look_up(self, path: str) -> Any:
        """Return a property of a context."""
        first, *rest = path.split(".")
        if first not in self.contexts:
            raise UnknownExpressionError(f"{path}: there is no context {first}")
        found, owner = self.contexts[first], first
        for name in rest:
            if not isinstance(found, dict) or (name not in found and owner not in _ABSENT_IS_EMPTY):
                raise UnknownExpressionError(f"{path}: there is no {name}")
            found, owner = found.get(name, ""), name
        return found


class _Reader:
    """Recursive descent: or, and, equality, not, value."""

    def __init__(self, tokens: list[tuple[str, str]], owner: Expressions) -> None:
        self.tokens = tokens
        self.owner = owner

    def either(self) -> Any:
        found = self.both()
        while self._take("||"):
            other = self.both()
            found = found if _truth(found) else other
        return found

    def both(self) -> Any:
        found = self.equal()
        while self._take("&&"):
            other = self.equal()
            found = other if _truth(found) else found
        return found

    def equal(self) -> Any:
        found = self.single()
        for sign in ("==", "!="):
            if self._take(sign):
                other = self.single()
                return (_shown(found).lower() == _shown(other).lower()) == (sign == "==")
        return found

    def single(self) -> Any:
        if self._take("!"):
            return not _truth(self.single())
        if self._take("("):
            found = self.either()
            assert self._take(")"), "a parenthesis is not closed"
            return found
        kind, text = self.tokens.pop(0)
        if kind in {"string", "number"}:
            return text if kind == "string" else int(text)
        if kind != "name":
            raise UnknownExpressionError(f"{text!r} is no value")
        return self._name(text)

    def _name(self, text: str) -> Any:
        if text in {"true", "false"}:
            return text == "true"
        if self._take("("):
            if not self._take(")"):
                raise UnknownExpressionError(f"{text}() takes nothing here")
            return self.owner.call(text)
        return self.owner.look_up(text)

    def _take(self, sign: str) -> bool:
        if self.tokens and self.tokens[0] == ("sign", sign):
            self.tokens.pop(0)
            return True
        return False


def _tokens(text: str) -> list[tuple[str, str]]:
    found, place, end = [], 0, len(text.rstrip())
    while place < end:
        match = _TOKEN.match(text, place)
        if match is None:
            raise UnknownExpressionError(f"{text!r}: cannot read {text[place:]!r}")
        sign, string, number, name = match.groups()
        kinds = (("sign", sign), ("string", string), ("number", number), ("name", name))
        kind, value = next(each for each in kinds if each[1] is not None)
        found.append((kind, value.replace("''", "'") if kind == "string" else value))
        place = match.end()
    return found


def _truth(value: Any) -> bool:
    return value not in (None, "", 0, False)


def _shown(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
