"""Values put into the templates that recipes and manifests have."""

from __future__ import annotations

import re


def fill(template: str, **values: str) -> str:
    """Put values in the place of ``{name}``; every other brace stays as it is, as regular expressions need it.

    Raises:
        ValueError: the template has a ``{name}`` in letters that is none of ``values``.
    """

    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise ValueError(f"has {match[0]}, which is none of {', '.join(f'{{{name}}}' for name in values)}")
        return values[match[1]]

    return re.sub(r"\{([a-z_]+)\}", value, template)


def require_pattern(pattern: str) -> str:
    """Return a regular expression if it is one.

    Raises:
        ValueError: it is not.
    """
    try:
        re.compile(pattern)
    except (re.error, OverflowError) as error:
        raise ValueError(f"is no regular expression: {error}") from error
    return pattern


def require_server_args(arguments: tuple[str, ...]) -> tuple[str, ...]:
    """Return a server's arguments if only ``{model}``, ``{port}``, ``{host}`` and ``{tree}`` are to be filled in.

    Raises:
        ValueError: one has something else to fill in.
    """
    for argument in arguments:
        fill(argument, model="m", port="1", host="h", tree="t")
    return arguments


def require_model_args(arguments: tuple[str, ...]) -> tuple[str, ...]:
    """Return the arguments that make a model if ``{model}`` and ``{tree}`` are all that has to be filled in.

    Raises:
        ValueError: one has something else to fill in.
    """
    for argument in arguments:
        fill(argument, model="m", tree="t")
    return arguments


def require_environment(variables: dict[str, str]) -> dict[str, str]:
    """Return variables for programs if ``{tree}`` is all that has to be filled in.

    Raises:
        ValueError: one has something else to fill in, or a name that no variable can have.
    """
    for name, value in variables.items():
        if not name or "=" in name:
            raise ValueError(f"has {name!r}, which no variable can be called")
        fill(value, tree="t")
    return variables
