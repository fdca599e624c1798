"""How long an installation takes: latency, bytes over the rate, bytes to unpack, fitted on what was measured.

``seconds = fixed + a * round trip + b * bytes / rate + c * installed bytes``, by least squares of relative errors: a
second counts more where there are few. Coefficients are not below zero; a term whose figures do not differ among the
measurements, or that would be negative, is left out.
"""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, NamedTuple

from pipeline.model.strategies import FittedPoint, LinkModel, LinkTerm

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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


def fit_link_model(measurements: Sequence[Measurement], links: Mapping[str, LinkProfile]) -> LinkModel | None:
    """Return the model of the installations among what was measured, None where they are fewer than two."""
    installed = [m for m in measurements if not m.strategy.startswith("self-built")]
    if len(installed) < 2:
        return None
    shapes = [
        shape(
            links[m.link] if m.link else None, download_bytes=m.download_bytes, installed_bytes=m.installed_bytes
        ).row()
        for m in installed
    ]
    seconds = [installation_seconds(m) for m in installed]
    points = []
    for left_out, measurement in enumerate(installed):
        others = [n for n in range(len(installed)) if n != left_out]
        found = _fit([shapes[n] for n in others], [seconds[n] for n in others])
        predicted = None if len(others) < len(_TERMS) else _value(found, shapes[left_out])
        points.append(
            FittedPoint(
                strategy=measurement.strategy,
                target=measurement.target,
                link=measurement.link,
                measured=round(seconds[left_out], 3),
                predicted=None if predicted is None else round(predicted, 3),
            )
        )
    errors = [abs(p.predicted - p.measured) / p.measured for p in points if p.predicted is not None and p.measured]
    coefficients = _fit(shapes, seconds)
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


def predict(model: LinkModel, wanted: Shape) -> float:
    """Return the seconds of an installation of that shape."""
    return _value([term.coefficient for term in model.terms], wanted.row())


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
    """Return the coefficients, 0 for terms that are left out."""
    used = list(range(len(rows[0])))
    while used:
        found = _least_squares([[row[n] for n in used] for row in rows], seconds)
        if isinstance(found, int):
            del used[found]
            continue
        lowest = min(range(len(used)), key=found.__getitem__)
        if found[lowest] >= 0:
            return [found[used.index(n)] if n in used else 0.0 for n in range(len(rows[0]))]
        del used[lowest]
    return [0.0] * len(rows[0])


def _least_squares(rows: Sequence[Sequence[float]], seconds: Sequence[float]) -> list[float] | int:
    """Return the coefficients by the normal equations, or the column that the others make up."""
    weighted = [([x / y for x in row], 1.0) for row, y in zip(rows, seconds, strict=True) if y > 0]
    size = len(rows[0])
    scale = [max((abs(row[n]) for row, _ in weighted), default=0.0) or 1.0 for n in range(size)]
    table = [
        [
            *(sum(row[i] * row[j] for row, _ in weighted) / (scale[i] * scale[j]) for j in range(size)),
            sum(row[i] * y for row, y in weighted) / scale[i],
        ]
        for i in range(size)
    ]
    for column in range(size):  # Gauss and Jordan, without exchanging rows: the matrix is symmetric and not negative
        pivot = table[column][column]
        if pivot < _TINY:
            return column
        table[column] = [value / pivot for value in table[column]]
        for other in range(size):
            if other != column:
                factor = table[other][column]
                table[other] = [a - factor * b for a, b in zip(table[other], table[column], strict=True)]
    return [table[n][size] / scale[n] for n in range(size)]
