"""Which machine makes what, by provider: what ``recipes/ci`` says, and what was asked for instead."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from pipeline.errors import UsageError
from pipeline.model.workflows import LABEL_PATTERN, GitlabRunner
from pipeline.names import PLATFORMS, platform_hint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.model.workflows import WorkflowRecipes

Provider = Literal["github", "gitlab"]
PROVIDERS: tuple[Provider, ...] = get_args(Provider)
_GATHERS = "linux-x86_64"


class Runners(NamedTuple):
    """The machines of one provider.

    Attributes:
        by_platform: platform to its runner; a label with GitHub.
        made_on: platform to the platform whose runner makes its bundles, where that is another one.
    """

    by_platform: Mapping[str, str | GitlabRunner]
    made_on: Mapping[str, str]

    def label(self, platform: str) -> str:
        """Return what a platform's runner is chosen by."""
        runner = self.by_platform[platform]
        return runner.tag if isinstance(runner, GitlabRunner) else runner

    @property
    def gathering_platform(self) -> str:
        """Platform of the machine of the jobs that build nothing."""
        return _GATHERS

    @property
    def gathering(self) -> str | GitlabRunner:
        """The machine of the jobs that build nothing."""
        return self.by_platform[_GATHERS]


def choose_runners(provider: Provider, recipes: WorkflowRecipes, asked: Mapping[str, str]) -> Runners:
    """Return the machines of a provider.

    Args:
        provider: whose.
        recipes: of ``recipes/ci``.
        asked: platform to the label of another runner; it makes that platform's bundles itself, except those that are
            cross built on another platform (``kept_elsewhere``).
    """
    if provider == "github":
        own = recipes.github
        by_platform: dict[str, str | GitlabRunner] = {**own.runners, **asked}
        made_on = own.made_on
    else:
        known = recipes.gitlab.runners
        by_platform = dict(known)
        made_on = recipes.gitlab.made_on
        for platform, tag in asked.items():
            by_platform[platform] = GitlabRunner(tag=tag, image=known.get(platform, known[_GATHERS]).image)
    return Runners(by_platform, {platform: other for platform, other in made_on.items() if platform not in asked})


def read_runners(texts: Sequence[str]) -> dict[str, str]:
    """Return ``PLATFORM=LABEL``, several times, as platform to label.

    Raises:
        UsageError: one is of another form, or names a platform twice or none.
    """
    asked: dict[str, str] = {}
    for text in texts:
        platform, _, label = text.partition("=")
        if not re.fullmatch(LABEL_PATTERN, label) or platform in asked:
            raise UsageError(
                f"--runner {text}: it has to be PLATFORM=LABEL, each platform once",
                hint="for example --runner linux-x86_64=my-large-runner; a label has letters, digits and . _ -",
            )
        if platform not in PLATFORMS:
            raise UsageError(f"--runner {text}: {platform!r} is no platform", hint=platform_hint(platform))
        asked[platform] = label
    return asked
