"""Runs of strategies: how an engine comes to a machine, over which link, and how long each stage took."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pipeline.model.frozen import FileSize, Frozen, Line, Name

Strategy = Literal["on-demand", "bundled", "mirror", "self-built", "self-built-warm"]
"""How an engine comes to a machine.

``on-demand``: installed from the publisher's repository when it is first needed. ``bundled``: it lies on the disk with
the product, and is installed from there. ``mirror``: installed from a second host nearby, with no other network.
``self-built``: compiled, or for environments assembled, on the machine itself, with empty caches; ``self-built-warm``
the same with a compiler cache that has seen this build.
"""

StageName = Literal[
    "start",
    "trust",
    "download",
    "source",
    "compile",
    "pack",
    "unpack",
    "assemble",
    "check",
    "switch",
    "model",
    "load",
    "first-token",
]
"""In the order in which they happen; each moment of a run counts into one stage.

``start``: the program until its first step. ``trust``: metadata of the repository. ``download``: layers. ``source``,
``compile``, ``pack``: of a build. ``unpack``: layers or a bundle, when nothing is being downloaded. ``assemble``: the
layers are laid together and brought to the disk. ``check``: the engine starts and lists devices. ``switch``: the
pointer, and the program's end. ``model``: its download, or making a small one. ``load``: the engine's server, from its
start until it is ready. ``first-token``: from the question until the first piece of the answer.
"""

LinkMaker = Literal["netem", "relay", "throttle", "none"]
"""What made a link. ``netem``: the kernel. ``relay``: a process between two tun devices that holds packets back.
``throttle``: a proxy that holds bytes back; it makes rate and delay, and no loss. ``none``: the disk, no link.
"""

Seconds = Annotated[float, Field(ge=0)]


class LinkProfile(Frozen):
    """What a link is like.

    Attributes:
        name: for options and tables.
        title: for people.
        bits_per_second: each way.
        round_trip_ms: delay there and back.
        loss: share of packets that get lost, each way.
    """

    name: Name
    title: Line
    bits_per_second: int = Field(gt=0)
    round_trip_ms: float = Field(ge=0)
    loss: float = Field(ge=0, lt=1)


class MadeLink(Frozen):
    """A link as it was made for the measurements.

    Attributes:
        profile: what was asked for.
        maker: what made it.
        why: why it was not made by what is nearer to the truth; empty for netem.
    """

    profile: LinkProfile
    maker: LinkMaker
    why: Line = ""


class StageTime(Frozen):
    """One stage of one run.

    Attributes:
        stage: which.
        seconds: that nothing earlier took.
        bytes: that went over the link, or were unpacked; 0 where bytes mean nothing.
    """

    stage: StageName
    seconds: Seconds
    bytes: FileSize = 0


class StrategyRun(Frozen):
    """One run, from nothing to the first token.

    Attributes:
        stages: in their order.
        load: how many processes wanted a processor when it began, the mean of one minute (getloadavg); None where
            the system does not say.
        disk_bytes: what lay on the disk because of it when it was over, the model left out.
        first_text: what the engine began to say.
    """

    stages: tuple[StageTime, ...]
    load: float | None
    disk_bytes: FileSize
    first_text: Line = ""

    @property
    def total_seconds(self) -> float:
        """From nothing to the first token."""
        return sum(stage.seconds for stage in self.stages)

    @property
    def seconds_without_model(self) -> float:
        """The same without bringing a model: a machine that has one, or a product that treats it apart."""
        return sum(stage.seconds for stage in self.stages if stage.stage != "model")


class Spread(Frozen):
    """What several runs had of one figure.

    Attributes:
        median: of them.
        lowest, highest: of them.
    """

    median: Seconds
    lowest: Seconds
    highest: Seconds


class StageSpread(Frozen):
    """One stage over all runs.

    Attributes:
        stage: which.
        seconds: of the runs that had it.
        bytes: median.
    """

    stage: StageName
    seconds: Spread
    bytes: FileSize = 0


class Measurement(Frozen):
    """One strategy for one target over one link.

    Attributes:
        strategy, target, version: what was measured.
        link: name of the link's profile; None for what came from the disk.
        runs: each of them.
        stages: median and spread of each stage, in their order.
        total: from nothing to the first token.
        without_model: the same without bringing a model.
        download_bytes: layers that travel, as the manifest says; of a build its sources.
        installed_bytes: sum of the installed files.
        product_bytes: what the product itself grows by, the model left out.
        disk_bytes: median of what lay on the disk afterwards, the model left out.
        model_bytes: of the model that it is asked with, brought or there; 0 where a small one is made on the spot.
        prepared_seconds: what was done once beforehand and is in no run: filling the mirror, or the compiler cache.
        notes: what a reader must know about these figures.
    """

    strategy: Strategy
    target: Line
    version: Name
    link: Name | None
    runs: tuple[StrategyRun, ...] = Field(min_length=1)
    stages: tuple[StageSpread, ...]
    total: Spread
    without_model: Spread
    download_bytes: FileSize
    installed_bytes: FileSize
    product_bytes: FileSize
    disk_bytes: FileSize
    model_bytes: FileSize
    prepared_seconds: Seconds = 0.0
    notes: tuple[Line, ...] = ()
