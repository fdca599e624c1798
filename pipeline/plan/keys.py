"""Keys of steps: the sha256 of everything that changes a step's output, and of nothing else.

Names, places and speeds (urls, file paths, jobs) never enter a key; tests/golden holds that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.digest import key_of
from pipeline.model.actions import BuildWebUi, Compile, FetchModel, FetchSource, MakeBundle, MakeLayer, Prove
from pipeline.model.archive_actions import FetchArchive, SplitLayer
from pipeline.model.environment_actions import (
    FetchPackages,
    MakeChannelLayer,
    MakeInstallerLayer,
    MakeMiniforgeLayer,
    MakeWheelLayer,
    ProveEnvironment,
)
from pipeline.model.rehearsal_actions import RehearseLayer
from pipeline.model.toolkit_actions import MakeRuntimeLayer, MakeToolkit
from pipeline.model.wheel_actions import BuildWheel, ProveWheel
from pipeline.sources.registry import identity_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pipeline.model.actions import Action

# Raised when the code of a stage changes what it makes from the same instruction.
FORMATS: Mapping[str, int] = {
    "fetch_source": 1,
    "fetch_model": 1,
    "fetch_archive": 1,
    "fetch_packages": 1,
    "build_web_ui": 2,
    "compile": 1,
    "make_layer": 1,
    "split_layer": 1,
    "make_channel_layer": 2,
    "make_miniforge_layer": 1,
    "make_wheel_layer": 1,
    "make_installer_layer": 5,
    "make_toolkit": 1,
    "make_runtime_layer": 1,
    "prove": 5,
    "prove_environment": 3,
    "rehearse_layer": 1,
    "make_bundle": 3,
    "build_wheel": 1,
    "prove_wheel": 1,
}

# Fields that name other steps (their keys stand for them) or places.
_REFERENCES: Mapping[type[Action], frozenset[str]] = {
    BuildWebUi: frozenset({"source"}),
    Compile: frozenset(
        {"source", "web_ui", "component_name", "place", "toolkit", "toolkit_dir", "space_bytes", "toolchain_tree"}
    ),
    MakeLayer: frozenset({"source", "compiled"}),
    SplitLayer: frozenset({"archive"}),
    MakeChannelLayer: frozenset({"fetched"}),
    MakeMiniforgeLayer: frozenset({"fetched"}),
    MakeWheelLayer: frozenset({"fetched"}),
    MakeInstallerLayer: frozenset({"channel_layer", "wheel_layers"}),
    MakeToolkit: frozenset({"fetched", "title"}),
    MakeRuntimeLayer: frozenset({"toolkit", "toolkit_dir", "title"}),
    ProveEnvironment: frozenset({"fetched", "layers", "channel_layer", "wheel_layers"}),
    RehearseLayer: frozenset(),
    Prove: frozenset({"layers", "compiled", "model", "model_file"}),
    MakeBundle: frozenset({"layers", "proof", "compiled", "archives", "materials"}),
    BuildWheel: frozenset({"source", "place"}),
    ProveWheel: frozenset({"wheel", "fetched", "model"}),
}

# The same within a field, and how long somebody waits; ``outputs`` and ``options`` are already what a platform has and
# what ``own_options`` let through.
_PARTS: Mapping[type[Action], Mapping[str, frozenset[str]]] = {
    Compile: {"component": frozenset({"outputs_on", "native", "own_options"})},
    Prove: {"runner": frozenset({"argv", "finish", "slowness"})},
    ProveWheel: {"proof": frozenset({"timeout_seconds"})},
}
# Fields that came later: an action that does without them has the key that it always had.
_LATER: Mapping[type[Action], frozenset[str]] = {
    Compile: frozenset({"cross"}),
    MakeLayer: frozenset({"separation"}),
    Prove: frozenset({"glibc_floor", "runner"}),
}


def step_key(action: Action, needed_keys: Iterable[str]) -> str:
    """Return the key of a step.

    Args:
        action: what the step does.
        needed_keys: keys of the steps it needs, in the order of its references to them.
    """
    return key_of(
        "step",
        {
            "kind": action.kind,
            "format": FORMATS[action.kind],
            "action": _identity(action),
            "needs": list(needed_keys),
        },
    )


def _identity(action: Action) -> dict[str, object]:
    if isinstance(action, FetchSource):
        known = identity_of(action.source)
        return {"source": known if known is not None else {"tree": action.tree_sha256}}
    if isinstance(action, FetchModel):
        return {"sha256": action.model.sha256, "filename": action.model.filename}
    if isinstance(action, FetchArchive):
        # What vouches for the digest is written into the manifest; where it was and who else has it is not.
        vouched = {"level": action.asset.level, "attested": action.attestation is not None}
        return {"archive": action.asset.sha256, "name": action.asset.name, **vouched}
    if isinstance(action, FetchPackages):
        return {"files": [[file.filename, file.sha256] for file in action.files]}
    left_out: dict[str, bool | set[str]] = dict.fromkeys({"kind", *_REFERENCES[type(action)]}, True)
    left_out |= {name: set(parts) for name, parts in _PARTS.get(type(action), {}).items()}
    left_out |= {name: True for name in _LATER.get(type(action), ()) if getattr(action, name) is None}
    return action.model_dump(mode="json", exclude=left_out)
