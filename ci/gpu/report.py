"""What a check on a GPU found, for people and for programs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Measured:
    """One bundle.

    Attributes:
        target: ``<engine>/<platform>-<accel>``.
        version: as upstream calls it.
        sha256: of the bundle.
        devices: that it lists.
        text: that it generated.
        prompt_per_second: tokens of a prompt read a second.
        generated_per_second: tokens generated a second.
        ready_seconds: from start until the server was ready.
    """

    target: str
    version: str
    sha256: str
    devices: tuple[str, ...]
    text: str
    prompt_per_second: float
    generated_per_second: float
    ready_seconds: float


@dataclass(frozen=True)
class Report:
    """A GPU's bundle beside the processor's.

    Attributes:
        date: of the run.
        system: of the machine.
        gpus: of the machine.
        driver: of NVIDIA's GPUs; None where there is none.
        model: file name.
        gpu: the GPU's bundle.
        processor: the processor's.
    """

    date: str
    system: str
    gpus: tuple[str, ...]
    driver: str | None
    model: str
    gpu: Measured
    processor: Measured

    @property
    def ratio(self) -> float:
        """How many times as fast the GPU generates."""
        return self.gpu.generated_per_second / max(self.processor.generated_per_second, 1e-9)

    def document(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {**asdict(self), "ratio": round(self.ratio, 3)}


def markdown(report: Report) -> str:
    """Return it as a section of a document."""
    driver = f", driver {report.driver}" if report.driver else ""
    rows = [
        f"| {one.target} {one.version} | {', '.join(one.devices)} | {one.prompt_per_second:.1f} |"
        f" {one.generated_per_second:.1f} | {one.ready_seconds:.1f} |"
        for one in (report.gpu, report.processor)
    ]
    return "\n".join(
        [
            f"{report.date}, {', '.join(report.gpus) or 'no GPU'}{driver}, {report.system}, {report.model}:",
            "",
            "| bundle | devices | prompt, tokens/s | generated, tokens/s | ready, s |",
            "|---|---|---:|---:|---:|",
            *rows,
            "",
            f"Generating is {report.ratio:.2f} times as fast on the GPU. It said: {report.gpu.text.strip()[:200]!r}",
        ]
    )
