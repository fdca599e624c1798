"""Strategies measured: from nothing to the first generated token, stage by stage, and what follows from it.

``bench strategies --output FILE`` writes a ``StrategiesResult``; reports draw it. The runs are in ``strategy_runs``.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationError

from pipeline.errors import IntegrityError
from pipeline.model.frozen import FileSize, Frozen, Line, Name, UtcTime
from pipeline.model.strategy_runs import MadeLink, Measurement, Seconds, Strategy


class LinkTerm(Frozen):
    """One term of the link model.

    Attributes:
        name: ``fixed``, ``round trips``, ``transfer`` or ``unpack``.
        coefficient: seconds for each unit; 0 for a term that the measurements do not show.
        unit: of what it is multiplied with.
    """

    name: Literal["fixed", "round trips", "transfer", "unpack"]
    coefficient: float = Field(ge=0)
    unit: Line


class FittedPoint(Frozen):
    """A measurement and what the model says of it when it is fitted on the other targets.

    Attributes:
        strategy, target, link: which one.
        measured: seconds of the installation.
        predicted: by the model that has not seen its target; None where the others say nothing of its size.
    """

    strategy: Strategy
    target: Line
    link: Name | None
    measured: Seconds
    predicted: float | None


class LinkModel(Frozen):
    """How long an installation takes: a sum of terms, fitted on what was measured by least squares.

    Attributes:
        terms: of the sum.
        points: every measurement with its prediction.
        median_error: of the predictions, relative to what was measured; None where there is none: of three targets one
            can be left out, and the others still say what its size costs.
        largest_error: likewise.
        after_seconds: ``load`` and ``first-token``, the median of all targets; added to forecasts as it stands.
    """

    terms: tuple[LinkTerm, ...]
    points: tuple[FittedPoint, ...]
    median_error: float | None
    largest_error: float | None
    after_seconds: Seconds


class Forecast(Frozen):
    """What was not run, from sizes and the link model. It is no measurement.

    Attributes:
        strategy, target, version, link: what it is about.
        why: why it was not measured.
        seconds: from nothing to the first token, without a model; None where the measurements say nothing of its size.
        lowest, highest: by the largest error that the model has of targets that it has not seen; None where that is not
            known, ``highest`` also where the error is that large that there is no upper end.
        download_bytes, installed_bytes, product_bytes, disk_bytes: as of a measurement, from the manifest.
    """

    forecast: Literal[True] = True
    strategy: Strategy
    target: Line
    version: Name
    link: Name | None
    why: Line
    seconds: Seconds | None
    lowest: Seconds | None
    highest: Seconds | None
    download_bytes: FileSize
    installed_bytes: FileSize
    product_bytes: FileSize
    disk_bytes: FileSize


class Option(Frozen):
    """One strategy as a deployment profile sees it.

    Attributes:
        strategy: which.
        link: name of the link that counts; None for the disk.
        refused: by which rule it is out; empty when it is not.
        seconds, transfer_bytes, product_bytes, disk_bytes: what it costs; None where nothing was measured.
        forecast: whether these are forecasts.
    """

    strategy: Strategy
    link: Name | None = None
    refused: Line = ""
    seconds: Seconds | None = None
    transfer_bytes: FileSize | None = None
    product_bytes: FileSize | None = None
    disk_bytes: FileSize | None = None
    forecast: bool = False


class Decision(Frozen):
    """Which strategy is the default for a deployment profile and a target.

    Attributes:
        profile, title: of the profile.
        target: that it is decided for.
        chosen: None where no strategy is left.
        why: the rule that decided, with its figures.
        options: every strategy.
    """

    profile: Name
    title: Line
    target: Line
    chosen: Strategy | None
    why: Line
    options: tuple[Option, ...]


class BenchMachine(Frozen):
    """Where it was measured.

    Attributes:
        platform: of this project's names.
        system: as it calls itself.
        processors: how many could be used.
        processor: its name; empty where the system does not say.
        memory_bytes: of the machine.
    """

    platform: Name
    system: Line
    processors: int = Field(ge=1)
    processor: Line = ""
    memory_bytes: int = Field(ge=0)


class StrategiesResult(Frozen):
    """What ``bench strategies`` found.

    Attributes:
        schema_version: 1.
        measured_at: when it ended.
        machine: where.
        versions: of this program, of Python and of the tools that took part.
        model: that the engines were asked with: a name and a digest, or how it was made.
        links: that were made.
        measurements: what was run.
        failures: what was to be run and failed, with the reason.
        link_model: None where too little was measured.
        forecasts: what was not run.
        decisions: by deployment profile and target.
    """

    schema_version: Literal[1] = 1
    measured_at: UtcTime
    machine: BenchMachine
    versions: dict[Line, Line]
    model: Line
    links: tuple[MadeLink, ...]
    measurements: tuple[Measurement, ...]
    failures: tuple[Line, ...] = ()
    link_model: LinkModel | None = None
    forecasts: tuple[Forecast, ...] = ()
    decisions: tuple[Decision, ...] = ()


def read_strategies(data: bytes, *, what: str) -> StrategiesResult:
    """Read what ``bench strategies --output`` wrote. Nothing signs it, and it has fractions, which manifests have not.

    Raises:
        IntegrityError: it is no such document; the first complaints are in the message.
    """
    try:
        return StrategiesResult.model_validate_json(data)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)[:3]
        shown = "; ".join(f"{'.'.join(map(str, p['loc'])) or 'document'}: {p['msg']}" for p in problems)
        raise IntegrityError(
            f"{what} is no result of `bench strategies`: {shown}",
            hint="measure again with --output; a file of another version of this program may not be readable",
        ) from error
