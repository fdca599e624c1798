"""How long an installation takes: latency, bytes over the rate, bytes to unpack, fitted on what was measured.

``seconds = fixed + a * round trip + b * bytes / rate + c * installed bytes``, by least squares of relative errors: a
second counts more where there are few. Coefficients are not below zero; a term that the measurements do not show is
left out.
"""

from __future__ import annotations

import statistics
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

from pipeline.model.strategies import FittedPoint, LinkModel, LinkTerm

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pipeline.model.strategy_runs import LinkProfile, Measurement

_TERMS = (
    ("fixed", "1"),
    ("round trips", "seconds of round trip"),
    ("transfer", "seconds at the link's rate"),
    ("unpack", "megabytes installed"),
)
_AFTER = {"load", "first-token", "model"}
_TINY = 1e-9


class Shape(NamedTuple):
    """What the time of an installation depends on.

    Attributes:
        round_trip_seconds: of the link; 0 from the disk.
        transfer_seconds: of the download at the link's rate; 0 from the disk.
        installed_megabytes: that are unpacked.
    """

    round_trip_seconds: float
    transfer_seconds: float
    installed_megabytes: float

    def row(self) -> tuple[float, ...]:
        """Return what each term is multiplied with."""
        return (1.0, *self)


def shape(link: LinkProfile | None, *, download_bytes: int, installed_bytes: int) -> Shape:
    """Return the shape of an installation over a link, or from the disk."""
    if link is None:
        return Shape(0.0, 0.0, installed_bytes / 1e6)
    return Shape(link.round_trip_ms / 1000, download_bytes * 8 / link.bits_per_second, installed_bytes / 1e6)


def installation_seconds(measurement: Measurement) -> float:
    """Return the median time of a measured installation: without model, start of the server and answer."""
    return statistics.median(
        sum(stage.seconds for stage in run.stages if stage.stage not in _AFTER) for run in measurement.runs
    )


def installations(measurements: Iterable[Measurement]) -> list[Measurement]:
    """Return what the model is fitted on: everything but builds."""
    return [m for m in measurements if not m.strategy.startswith("self-built")]


def shapes_of(measurements: Iterable[Measurement], links: Mapping[str, LinkProfile]) -> tuple[Shape, ...]:
    """Return the shape of each measured installation."""
    return tuple(
        shape(links[m.link] if m.link else None, download_bytes=m.download_bytes, installed_bytes=m.installed_bytes)
        for m in installations(measurements)
    )


def fit_link_model(measurements: Sequence[Measurement], links: Mapping[str, LinkProfile]) -> LinkModel | None:
    """Return the model of the installations among what was measured, None where they are fewer than two.

    Its error is that of targets that it has not seen, for those are what it forecasts: all measurements of a target are
    left out together. Where the others say nothing of its size (``reaches``), nothing is predicted.
    """
    installed = installations(measurements)
    if len(installed) < 2:
        return None
    shapes = shapes_of(installed, links)
    seconds = [installation_seconds(m) for m in installed]
    points = []
    for number, measurement in enumerate(installed):
        others = [n for n, other in enumerate(installed) if other.target != measurement.target]
        seen = [shapes[n] for n in others]
        found = _fit([one.row() for one in seen], [seconds[n] for n in others])
        predicted = _value(found, shapes[number].row()) if _reaches(found, shapes[number], seen) else None
        points.append(
            FittedPoint(
                strategy=measurement.strategy,
                target=measurement.target,
                link=measurement.link,
                measured=round(seconds[number], 3),
                predicted=None if predicted is None else round(predicted, 3),
            )
        )
    errors = [abs(p.predicted - p.measured) / p.measured for p in points if p.predicted is not None and p.measured]
    coefficients = _fit([one.row() for one in shapes], seconds)
    return LinkModel(
        terms=tuple(
            LinkTerm(name=name, coefficient=round(value, 6), unit=unit)  # type: ignore[arg-type] # names are of _TERMS
            for (name, unit), value in zip(_TERMS, coefficients, strict=True)
        ),
        points=tuple(points),
        median_error=round(statistics.median(errors), 3) if errors else None,
        largest_error=round(max(errors), 3) if errors else None,
        after_seconds=round(_after_seconds(measurements), 3),
    )


def predict(model: LinkModel, wanted: Shape, *, seen: Sequence[Shape]) -> float | None:
    """Return the seconds of an installation of that shape, None where what was measured does not say them.

    Args:
        model: fitted on what was measured.
        wanted: that is asked for.
        seen: shapes of what the model was fitted on (``shapes_of``).
    """
    coefficients = [term.coefficient for term in model.terms]
    return _value(coefficients, wanted.row()) if _reaches(coefficients, wanted, seen) else None


def _reaches(coefficients: Sequence[float], wanted: Shape, seen: Sequence[Shape]) -> bool:
    """Tell whether a fit says anything of a shape.

    It does not where the shape is no sum of multiples of measured ones: those of one target cannot tell the bytes that
    are unpacked from what is always the same. Nor beyond what was measured in a term that was left out.
    """
    rows = [one.row() for one in seen]
    if not rows or _rank([*rows, wanted.row()]) > _rank(rows):
        return False
    most = [max(column) for column in zip(*rows, strict=True)]
    within = zip(coefficients, wanted.row(), most, strict=True)
    return all(coefficient > 0 or value <= largest for coefficient, value, largest in within)


def _rank(rows: Sequence[Sequence[float]]) -> int:
    """Return how many of the rows no others make up."""
    scale = [max(map(abs, column)) or 1.0 for column in zip(*rows, strict=True)]
    left = [[value / most for value, most in zip(row, scale, strict=True)] for row in rows]
    rank = 0
    for column in range(len(scale)):
        pivot = max(left, key=lambda row: abs(row[column]), default=None)
        if pivot is None or abs(pivot[column]) < _TINY:
            continue
        rank += 1
        left = [
            [a - row[column] / pivot[column] * b for a, b in zip(row, pivot, strict=True)]
            for row in left
            if row is not pivot
        ]
    return rank


def _after_seconds(measurements: Sequence[Measurement]) -> float:
    """Return what starting a server and its first token took, the median of the targets' medians."""
    by_target: dict[str, list[float]] = {}
    for measurement in measurements:
        for run in measurement.runs:
            after = sum(stage.seconds for stage in run.stages if stage.stage in {"load", "first-token"})
            by_target.setdefault(measurement.target, []).append(after)
    return statistics.median(map(statistics.median, by_target.values()))


def _value(coefficients: Sequence[float], row: Sequence[float]) -> float:
    return sum(one * other for one, other in zip(coefficients, row, strict=True))


def _fit(rows: Sequence[Sequence[float]], seconds: Sequence[float]) -> list[float]:
    """Return the coefficients, none below zero, with the least squares of relative errors; 0 for what is left out.

    All choices of terms are tried (four terms have fifteen). Of those that fit as well the one with fewer, or earlier,
    terms is taken.
    """
    weighted = [[x / y for x in row] for row, y in zip(rows, seconds, strict=True) if y > 0]
    best, least = [0.0] * len(_TERMS), float("inf")
    for size in range(1, len(_TERMS) + 1):
        for used in combinations(range(len(_TERMS)), size):
            found = _least_squares([[row[n] for n in used] for row in weighted])
            if found is None or min(found) < 0:
                continue
            all_of_them = [found[used.index(n)] if n in used else 0.0 for n in range(len(_TERMS))]
            left = sum((_value(all_of_them, row) - 1) ** 2 for row in weighted)
            if left < least * (1 - _TINY) - _TINY:
                best, least = all_of_them, left
    return best


def _least_squares(rows: Sequence[Sequence[float]]) -> list[float] | None:
    """Return the coefficients that bring each row nearest to 1, None where a column is made up of others.

    By the normal equations.
    """
    size = len(rows[0]) if rows else 0
    scale = [max(abs(row[n]) for row in rows) or 1.0 for n in range(size)]
    table = [
        [
            *(sum(row[i] * row[j] for row in rows) / (scale[i] * scale[j]) for j in range(size)),
            sum(row[i] for row in rows) / scale[i],
        ]
        for i in range(size)
    ]
    for column in range(size):  # Gauss and Jordan, without exchanging rows: the matrix is symmetric and not negative
        pivot = table[column][column]
        if pivot < _TINY:
            return None
        table[column] = [value / pivot for value in table[column]]
        for other in range(size):
            if other != column:
                factor = table[other][column]
                table[other] = [a - factor * b for a, b in zip(table[other], table[column], strict=True)]
    return [table[n][size] / scale[n] for n in range(size)] or None
