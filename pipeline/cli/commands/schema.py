"""``schema``: JSON schemas, printed or kept fresh in the project."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from pipeline.app.project import manifests_dir
from pipeline.cli.options import Command, common_options
from pipeline.errors import UsageError
from pipeline.model.bundle_card import BundleCard
from pipeline.model.document_text import document_text
from pipeline.model.environment_recipe import EnvironmentEngine, UnsupportedEngine
from pipeline.model.footprint import FootprintReport
from pipeline.model.host import HostFacts
from pipeline.model.manifest_document import manifest_schema, write_schema
from pipeline.model.mirror import MirrorDocument
from pipeline.model.model_recipe import ModelRecipe
from pipeline.model.plan import Plan
from pipeline.model.profiles import Profiles
from pipeline.model.project import ProjectDefaults
from pipeline.model.recipe import AcceleratorRecipe, EngineRecipe
from pipeline.model.release_plan import ReleasePlan
from pipeline.model.release_preferences import ReleasePreferences
from pipeline.model.step_times import StepTimes
from pipeline.model.strategies import StrategiesResult
from pipeline.model.toolchain import Toolchain
from pipeline.model.upstream import PinnedRelease
from pipeline.model.wheel_recipe import WheelEngine
from pipeline.model.workflows import GithubRunners, GitlabRunners, RunnerPackages

if TYPE_CHECKING:
    from pipeline.cli.session import Session
    from pipeline.model.frozen import Frozen

_MODELS: dict[str, type[Frozen]] = {
    "bundle-card": BundleCard,
    "host-facts": HostFacts,
    "plan": Plan,
    "project": ProjectDefaults,
    "engine-recipe": EngineRecipe,
    "environment-recipe": EnvironmentEngine,
    "wheel-recipe": WheelEngine,
    "unsupported-recipe": UnsupportedEngine,
    "accelerator-recipe": AcceleratorRecipe,
    "model-recipe": ModelRecipe,
    "toolchain-recipe": Toolchain,
    "pinned-release": PinnedRelease,
    "release-plan": ReleasePlan,
    "release-preferences": ReleasePreferences,
    "mirror": MirrorDocument,
    "profiles": Profiles,
    "strategies": StrategiesResult,
    "github-runners": GithubRunners,
    "gitlab-runners": GitlabRunners,
    "runner-packages": RunnerPackages,
    "footprint-report": FootprintReport,
    "step-times": StepTimes,
}
_NAMES = ("manifest", *_MODELS)
_KEPT = {"manifest": "manifest-v1.schema.json", "footprint-report": "footprint-report-v1.schema.json"}


@click.command("schema", cls=Command, help=f"Print a JSON schema: of {', '.join(_NAMES)}.  [default: {_NAMES[0]}]")
@click.argument("name", type=click.Choice(_NAMES), metavar="[NAME]", default="manifest")
@click.option("--check", is_flag=True, help="Compare the files in manifests/schema with the models; exit 2 when stale.")
@click.option("--write", is_flag=True, help="Write the files in manifests/schema anew.")
@common_options
def command(session: Session, name: str, *, check: bool, write: bool) -> None:
    """Print the JSON schema NAME, or keep the files of those that other programs read fresh."""
    if not (check or write):
        schema = _schema(name)
        session.show(schema, lambda: json.dumps(schema, indent=2))
        return
    kept = {manifests_dir() / "schema" / file: _text(kept) for kept, file in _KEPT.items()}
    for path, fresh in kept.items():
        if write:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(fresh)
        elif not path.is_file() or path.read_bytes() != fresh:
            raise UsageError(f"{path} does not say what the models say", hint="run `python -m pipeline schema --write`")
    paths = list(map(str, kept))
    document = {"path": paths[0], "paths": paths, "written": write}
    session.show(document, lambda: "\n".join(f"{path} is fresh" for path in paths))


def _schema(name: str) -> dict[str, Any]:
    return manifest_schema() if name == "manifest" else _MODELS[name].model_json_schema()


def _text(name: str) -> bytes:
    if name == "manifest":
        return write_schema()
    named = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"urn:engine-pipeline:schema:{name}:v1"}
    return document_text({**named, **_schema(name)})
