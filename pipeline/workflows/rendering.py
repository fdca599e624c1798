"""The files themselves, rendered from ``manifests/templates/ci``.

The templates have brackets where Jinja has braces by default, because ``${{ }}`` is GitHub's.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.workflows.files import GeneratedFile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pipeline.model.workflows import WorkflowRecipes
    from pipeline.workflows.jobs import Crossed, Job
    from pipeline.workflows.runners import Provider, Runners

_TEMPLATES: Mapping[Provider, Mapping[str, str]] = {
    "github": {
        ".github/workflows/nightly.yml": "github-nightly.yml",
        ".github/workflows/release.yml": "github-release.yml",
        ".github/workflows/upstream.yml": "github-upstream.yml",
    },
    "gitlab": {".gitlab-ci.yml": "gitlab-ci.yml"},
}
_ONLY_WHERE_FETCHED = "upstream.yml"


def render_workflows(
    provider: Provider,
    jobs: Sequence[Job],
    *,
    recipes: WorkflowRecipes,
    runners: Runners,
    templates_dir: Path,
    fetched: Sequence[Job] = (),
    crossed: Sequence[Crossed] = (),
) -> tuple[GeneratedFile, ...]:
    """Return the files of a provider; the same input gives the same bytes.

    Args:
        provider: whose.
        jobs: of a release, at least one.
        recipes: runners, images and actions.
        runners: of that provider.
        templates_dir: with ``<name>.j2``.
        fetched: what proves a new pin of archives.
        crossed: what one machine builds for another, whose runner then runs it, night by night.
    """
    environment = _environment(templates_dir)
    found = []
    for path, template in sorted(_TEMPLATES[provider].items()):
        if path.endswith(_ONLY_WHERE_FETCHED) and not fetched:
            found.append(GeneratedFile(path, None))
            continue
        text = environment.get_template(f"{template}.j2").render(
            jobs=jobs,
            recipes=recipes,
            runners=runners.by_platform,
            linux=runners.gathering,
            fetched=fetched,
            crossed=[one for one in crossed if one.platform in runners.by_platform],
            prove_jobs=[f"prove {job.name}" for job in fetched],
            upstream_engines=sorted({job.engine for job in fetched}),
            has_apt_repository=any(job.apt_repository for job in jobs),
        )
        found.append(GeneratedFile(path, text.encode()))
    return tuple(found)


def quote_for_yaml(value: object) -> str:
    """Return a YAML string in double quotes: JSON's are a subset (YAML 1.2, section 1.3)."""
    return json.dumps(str(value), ensure_ascii=True)


def _environment(templates_dir: Path) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(templates_dir),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - no HTML; every value is of a model whose pattern leaves no special character
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        block_start_string="[%",
        block_end_string="%]",
        variable_start_string="[[",
        variable_end_string="]]",
        comment_start_string="[#",
        comment_end_string="#]",
    )
    environment.filters["yaml"] = quote_for_yaml
    return environment
