"""The accelerator kinds there are. To add one: a module beside this one, and a line here."""

from __future__ import annotations

from pipeline.accelerators import cpu
from pipeline.accelerators.interface import AcceleratorKind

KINDS: dict[str, AcceleratorKind] = {
    "cpu": cpu.KIND,
}
