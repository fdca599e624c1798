"""``recipes/profiles.toml``: links, deployment profiles, and the rules by which each gets its default strategy."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.model.frozen import FileSize, Frozen, Line, Name
from pipeline.model.strategy_runs import LinkProfile

Criterion = Literal["seconds", "transfer_bytes", "product_bytes", "disk_bytes"]


class DeploymentProfile(Frozen):
    """A kind of place where engines are installed: what it has, and what counts there.

    Attributes:
        name: for options and tables.
        title: for people.
        network: what a machine there reaches when an engine is first needed: ``public`` any server, ``near`` a host
            beside it and no other, ``none`` nothing.
        link: name of the link to the publisher's server, for ``public``.
        near_link: name of the link to a host beside it, where somebody keeps a mirror; None where nobody does.
        compiler: whether it has compilers, and the libraries' headers.
        keeps_compiler_cache: whether compiled objects are there from the last time.
        carries: whether the product can have the engine with it.
        most_product_bytes: that the product may grow by; None: any.
        most_disk_bytes: room for an engine with everything that comes with it; None: enough.
        model_counts: whether the model counts: its time, and its bytes where they travel, in the product, on the disk.
        minimise: what counts, the first most.
        within: how much worse than the best a strategy may be in one of these and still go on to the next: 1.1 is a
            tenth. Of those that are left after the last, the best in the first criterion wins.
    """

    name: Name
    title: Line
    network: Literal["public", "near", "none"]
    link: Name | None = None
    near_link: Name | None = None
    compiler: bool
    keeps_compiler_cache: bool = False
    carries: bool
    most_product_bytes: FileSize | None = None
    most_disk_bytes: FileSize | None = None
    model_counts: bool
    minimise: Annotated[tuple[Criterion, ...], Field(min_length=1)]
    within: float = Field(ge=1)

    @model_validator(mode="after")
    def _names_its_links(self) -> DeploymentProfile:
        if self.network == "public" and self.link is None:
            raise ValueError("link: is missing, and the network is public")
        if self.network != "public" and self.link is not None:
            raise ValueError("link: is the way to the publisher, which this profile does not reach")
        if self.network == "none" and self.near_link is not None:
            raise ValueError("near_link: nothing is reached")
        if self.network == "near" and self.near_link is None:
            raise ValueError("near_link: is missing, and a host nearby is all that is reached")
        if len(set(self.minimise)) != len(self.minimise):
            raise ValueError("minimise: names a criterion twice")
        return self


class Profiles(Frozen):
    """All of ``recipes/profiles.toml``.

    Attributes:
        schema_version: 1.
        links: that are measured, by the name that options and profiles use.
        profiles: in the order of the decision table.
    """

    schema_version: Literal[1]
    links: tuple[LinkProfile, ...] = Field(min_length=1)
    profiles: tuple[DeploymentProfile, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_are_known(self) -> Profiles:
        for what, names in (
            ("links", [link.name for link in self.links]),
            ("profiles", [profile.name for profile in self.profiles]),
        ):
            if len(set(names)) != len(names):
                raise ValueError(f"{what}: a name stands twice")
        known = {link.name for link in self.links}
        for profile in self.profiles:
            for name in (profile.link, profile.near_link):
                if name is not None and name not in known:
                    raise ValueError(f"profiles.{profile.name}: there is no link {name!r}")
        return self
