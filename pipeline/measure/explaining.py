"""Why a bundle is over its budget: the layers, files and sections that grew, the most first. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.measure.comparing import compare, mandatory, placed
from pipeline.model.budget_verdict import Explanation, GrownFile, LargeFile, SectionChange
from pipeline.model.layer_content import SectionSizes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pipeline.measure.comparing import Contents, Placed
    from pipeline.model.budget_verdict import BudgetVerdict, Figure
    from pipeline.model.growth import FileChange, LayerChange
    from pipeline.model.manifest import Artifact

_LARGEST = 10
_NOTHING = SectionSizes()


def bundles_to_read(
    verdict: BudgetVerdict, artifacts: Iterable[Artifact], baselines: Mapping[str, Artifact]
) -> tuple[Artifact, ...]:
    """Return the bundles whose layers explanations are made of; time and memory are in no file.

    Args:
        verdict: about the bundles.
        artifacts: that were compared.
        baselines: target to what its bundle was compared with.
    """
    over = [artifact for artifact in artifacts if _over(verdict, artifact)]
    return (*over, *(baselines[artifact.target] for artifact in over if artifact.target in baselines))


def explained(
    verdict: BudgetVerdict, artifacts: Iterable[Artifact], baselines: Mapping[str, Artifact], contents: Contents
) -> BudgetVerdict:
    """Return a verdict that says why the bundles are over.

    Args:
        verdict: about the bundles.
        artifacts: that were compared.
        baselines: target to what its bundle was compared with.
        contents: tree digest to what is in the layer, of all mandatory layers of ``bundles_to_read``.
    """
    explanations = tuple(
        explain(artifact, baselines.get(artifact.target), over, contents)
        for artifact in artifacts
        if (over := _over(verdict, artifact))
    )
    return verdict.model_copy(update={"explanations": explanations})


def _over(verdict: BudgetVerdict, artifact: Artifact) -> tuple[Figure, ...]:
    """Return what is over of a bundle's sizes."""
    return tuple(
        figure
        for figure in verdict.over
        if (figure.target, figure.version) == (artifact.target, artifact.version)
        and figure.measure in {"download", "installed"}
    )


def explain(
    artifact: Artifact, baseline: Artifact | None, over: Sequence[Figure], contents: Contents
) -> Explanation:  # fmt: skip
    """Say what made a bundle as large as it is.

    Args:
        artifact: that is over.
        baseline: of the same target, as it was; None where there is none.
        over: what is over of it.
        contents: tree digest to what is in the layer, of all mandatory layers of both.
    """
    if baseline is None:
        return Explanation(
            target=artifact.target,
            version=artifact.version,
            baseline=None,
            largest=_largest(artifact, over, contents),
        )
    comparison = compare(artifact, baseline, contents)
    now, then = placed(artifact, contents), placed(baseline, contents)
    grown = [change for change in comparison.files if change.grown > 0]
    trees = {(layer.name, layer.tree_sha256) for layer in mandatory(baseline)}
    same = {layer.name for layer in mandatory(artifact) if (layer.name, layer.tree_sha256) in trees}
    layers = [layer for layer in comparison.layers if layer.name not in same and _layer_grew(layer)]
    return Explanation(
        target=artifact.target,
        version=artifact.version,
        baseline=baseline.version,
        layers=tuple(sorted(layers, key=_layer_growth, reverse=True)),
        files=tuple(_grown_file(change, then, now) for change in grown),
        files_shrunk=-sum(change.grown for change in comparison.files if change.grown < 0),
        largest=() if grown else _largest(artifact, over, contents),
    )


def _largest(artifact: Artifact, over: Sequence[Figure], contents: Contents) -> tuple[LargeFile, ...]:
    """Return the largest files of the layers that are over; of all of them when the bundle as a whole is."""
    layers = {figure.layer for figure in over}
    files = [
        LargeFile(layer=layer.name, path=file.path, size=file.size)
        for layer in mandatory(artifact)
        if None in layers or layer.name in layers
        for file in contents[layer.tree_sha256].files
    ]
    return tuple(sorted(files, key=lambda file: (-file.size, file.layer, file.path))[:_LARGEST])


def _grown_file(change: FileChange, then: Placed, now: Placed) -> GrownFile:
    place = (change.layer, change.path)
    before, after = then.get(place), now[place]
    sections: tuple[SectionChange, ...] = ()
    if after.sections is not None and (before is None or before.sections is not None):
        sections = tuple(_section_changes(before.sections if before and before.sections else _NOTHING, after.sections))
    return GrownFile(
        layer=change.layer, path=change.path, before=change.before, after=change.after or 0, sections=sections
    )


def _section_changes(before: SectionSizes, after: SectionSizes) -> list[SectionChange]:
    """Return the parts that grew."""
    then, now = dict(_parts(before)), dict(_parts(after))
    changes = [SectionChange(name=name, before=then.get(name, 0), after=size) for name, size in now.items()]
    return sorted(
        (change for change in changes if change.after > change.before),
        key=lambda change: (change.before - change.after, change.name),
    )


def _parts(sections: SectionSizes) -> Iterator[tuple[str, int]]:
    for name in ("text", "rodata", "data", "debug", "symbols", "other"):
        yield name, getattr(sections, name)
    for architecture, size in sections.gpu.items():
        yield f"gpu {architecture}".rstrip(), size


def _layer_growth(layer: LayerChange) -> int:
    return (layer.after.installed if layer.after else 0) - (layer.before.installed if layer.before else 0)


def _layer_grew(layer: LayerChange) -> bool:
    before, after = layer.before, layer.after
    if after is None:
        return False
    return before is None or after.installed > before.installed or after.download > before.download
