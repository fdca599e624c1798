"""What CI providers have, and what a runner needs: the data that workflows are generated from (``recipes/ci``)."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from pipeline.model.frozen import CommitId, Frozen, Name, Version

System = Literal["linux", "macos", "windows"]
"""Of a runner."""

LABEL_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
Label = Annotated[str, StringConstraints(pattern=LABEL_PATTERN)]
"""Of a runner: the characters that need no quoting in any of the generated files."""
Image = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][A-Za-z0-9._/:@-]{0,255}$")]
AptPackage = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9+.-]{1,99}$")]
"""Debian Policy 5.6.7, and no version: the repository's suite decides that."""
_Url = Annotated[str, StringConstraints(pattern=r"^https://[A-Za-z0-9][A-Za-z0-9._~/%-]*$")]
_VersionedUrl = Annotated[str, StringConstraints(pattern=r"^https://[A-Za-z0-9](?:[A-Za-z0-9._~/%-]|\{version\})*$")]
_Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
_Suite = Annotated[str, StringConstraints(pattern=r"^(?:/|[A-Za-z0-9][A-Za-z0-9._-]{0,63})$")]


class AptRepository(Frozen):
    """A vendor's own repository of Debian packages.

    Attributes:
        name: of its files under /etc/apt.
        url: of the repository; ``{version}`` is that of the accelerator.
        suite: distribution of the repository; ``/`` for one that is a single folder (sources.list(5)).
        components: of the suite; none where it is a folder.
        key_url: where its public keys are.
        key_fingerprint: of the one key that may sign it, 40 upper-case hex digits; others in that file are not taken.
        priority: apt's pin for its packages over the distribution's (apt_preferences(5)); None leaves it at 500.
    """

    name: Name
    url: _VersionedUrl
    suite: _Suite
    components: tuple[_Word, ...] = ()
    key_url: _Url
    key_fingerprint: Annotated[str, StringConstraints(pattern=r"^[0-9A-F]{40}$")]
    priority: int | None = Field(default=None, gt=0, le=1000)

    @model_validator(mode="after")
    def _a_folder_has_no_components(self) -> Self:
        if (self.suite == "/") == bool(self.components):
            raise ValueError("components: a suite has some, and the suite / has none")
        return self


class SystemToolkit(Frozen):
    """A version of an accelerator's toolkit that the runner has to have, because its recipe pins no packages of it.

    Attributes:
        version: of the accelerator, as targets are named after it.
        platform: of the runner.
        apt: Debian packages.
        apt_repository: where some of them are, beside the distribution's.
    """

    version: Version
    platform: Name
    apt: tuple[AptPackage, ...] = Field(min_length=1)
    apt_repository: AptRepository | None = None


class RunnerSetup(Frozen):
    """What is installed on a runner before a build.

    Attributes:
        apt: Debian packages; on Linux alone.
        apt_repository: where some of them are, beside the distribution's.
        toolkits: what one version needs besides, by platform of the runner.
    """

    apt: tuple[AptPackage, ...] = ()
    apt_repository: AptRepository | None = None
    toolkits: tuple[SystemToolkit, ...] = ()

    @model_validator(mode="after")
    def _a_runner_gets_one_repository(self) -> Self:
        if self.apt_repository and any(toolkit.apt_repository for toolkit in self.toolkits):
            raise ValueError("toolkits: apt_repository stands beside another one, and a job adds one")
        return self

    def toolkit_for(self, version: str, platform: str) -> SystemToolkit | None:
        """Return what a version needs besides on a runner; None for nothing."""
        return next((each for each in self.toolkits if (each.version, each.platform) == (version, platform)), None)


class RunnerPackages(Frozen):
    """``recipes/ci/runner_packages.toml``.

    Attributes:
        compiler: what every build needs on a system.
        kinds: kind of accelerator to system to what it needs besides.
    """

    schema_version: Literal[1]
    compiler: dict[System, RunnerSetup]
    kinds: dict[Name, dict[System, RunnerSetup]]


class Action(Frozen):
    """An action of GitHub's, pinned.

    Attributes:
        uses: owner and repository.
        commit: 40 hex digits; a tag is no pin.
        version: that the commit is, for people and for tools that look for newer ones.
    """

    uses: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$")]
    commit: CommitId
    version: Annotated[str, StringConstraints(pattern=r"^v\d+(?:\.\d+)*$")]

    def __str__(self) -> str:
        """Return what stands after ``uses:``, with the version as its comment."""
        return f"{self.uses}@{self.commit} # {self.version}"


class Actions(Frozen):
    """The actions that the templates use."""

    checkout: Action
    setup_python: Action
    cache: Action
    upload: Action
    download: Action
    attest: Action


class GithubRunners(Frozen):
    """``recipes/ci/github.toml``.

    Attributes:
        python: version that setup-python installs.
        runners: platform to the label of its runner.
        made_on: platform to the platform whose runner makes its bundles.
        actions: pinned.
    """

    schema_version: Literal[1]
    python: Annotated[str, StringConstraints(pattern=r"^3\.\d+$")]
    runners: dict[Name, Label]
    made_on: dict[Name, Name] = {}
    actions: Actions


class GitlabRunner(Frozen):
    """A runner of GitLab's.

    Attributes:
        tag: that it is chosen by.
        image: that it starts.
    """

    tag: Label
    image: Image


class GitlabRunners(Frozen):
    """``recipes/ci/gitlab.toml``; attributes as in ``GithubRunners``."""

    schema_version: Literal[1]
    runners: dict[Name, GitlabRunner]
    made_on: dict[Name, Name] = {}


class WorkflowRecipes(Frozen):
    """All of ``recipes/ci``."""

    github: GithubRunners
    gitlab: GitlabRunners
    packages: RunnerPackages
