"""Which layers, files and sections made a bundle larger."""

from __future__ import annotations

from pipeline.measure.budgets import judge
from pipeline.measure.explaining import bundles_to_read, explain, explained
from pipeline.model.budget_verdict import Figure
from pipeline.model.budgets import Budgets, BundleBudget
from pipeline.model.layer_content import FileFootprint, LayerContent, SectionSizes
from pipeline.model.manifest import Artifact, Layer, Proof
from tests.simulators.variants import artifact

LIBRARY = "bin/libggml-cuda.so"


def file(path: str, size: int, content: str = "a", **sections: object) -> FileFootprint:
    """Return a file; another ``content`` is other bytes."""
    parts = SectionSizes(**sections) if sections else None
    return FileFootprint(path=path, size=size, sha256=content * 64, sections=parts)


def over(bundle: Artifact, **limits: object) -> tuple[Figure, ...]:
    """Return what is over of a bundle."""
    table = BundleBudget.model_validate({"targets": ("*",), **limits})
    return judge([bundle], {"llama.cpp": Budgets(bundles=(table,))}).over


class World:
    """Bundles with what is in their layers."""

    def __init__(self) -> None:
        self.contents: dict[str, LayerContent] = {}

    def bundle(self, version: str, **layers: tuple[FileFootprint, ...]) -> Artifact:
        made = [self._layer(name, files) for name, files in layers.items()]
        sizes = {"size": sum(layer.size for layer in made), "installed_size": sum(x.installed_size for x in made)}
        return artifact("cpu", version).model_copy(update={"layers": tuple(made), **sizes})

    def _layer(self, name: str, files: tuple[FileFootprint, ...]) -> Layer:
        digest = f"{len(self.contents):064d}"
        self.contents[digest] = LayerContent(tree_sha256=digest, analysis=1, files=files)
        size = sum(file.size for file in files)
        return Layer(
            name=name, tree_sha256=digest, url="x", sha256="2" * 64, size=max(size // 3, 1), installed_size=size
        )


def test_files_that_grew_are_named_the_most_first_with_the_sections_that_grew():
    world = World()
    before = world.bundle(
        "b1",
        core=(file("bin/llama-server", 100), file("gone", 30)),
        cuda=(file(LIBRARY, 1000, "b", text=400, gpu={"sm_80": 500, "sm_90": 100}),),
    )
    after = world.bundle(
        "b2",
        core=(file("bin/llama-server", 150, "c"), file("new.txt", 20)),
        cuda=(file(LIBRARY, 2000, "d", text=450, debug=250, gpu={"sm_80": 500, "sm_90": 100, "sm_120a": 700}),),
    )
    found = explain(after, before, (), world.contents)
    assert [(f.layer, f.path, f.before, f.after) for f in found.files] == [
        ("cuda", LIBRARY, 1000, 2000),
        ("core", "bin/llama-server", 100, 150),
        ("core", "new.txt", None, 20),
    ]
    assert [(s.name, s.before, s.after) for s in found.files[0].sections] == [
        ("gpu sm_120a", 0, 700),
        ("debug", 0, 250),
        ("text", 400, 450),
    ]
    assert found.files_shrunk == 30
    assert [layer.name for layer in found.layers] == ["cuda", "core"]


def test_a_new_file_says_what_it_is_made_of():
    world = World()
    before = world.bundle("b1", core=(file("a", 1),))
    after = world.bundle("b2", core=(file("a", 1), file("libx.so", 90, "b", text=60, symbols=30)))
    (found,) = explain(after, before, (), world.contents).files
    assert [(s.name, s.after) for s in found.sections] == [("text", 60), ("symbols", 30)]


def test_sections_are_left_out_where_those_of_the_release_before_are_not_known():
    world = World()
    before = world.bundle("b1", core=(file("libx.so", 10),))
    after = world.bundle("b2", core=(file("libx.so", 90, "b", text=90),))
    (found,) = explain(after, before, (), world.contents).files
    assert found.sections == ()


def test_without_a_release_before_the_largest_files_are_named():
    world = World()
    files = tuple(file(f"f{number:02}", number) for number in range(1, 15))
    bundle = world.bundle("b1", core=files, cpu=(file("lib.so", 1000),))
    found = explain(bundle, None, over(bundle, installed_bytes=1), world.contents)
    assert found.baseline is None
    assert [large.path for large in found.largest][:3] == ["lib.so", "f14", "f13"]
    assert len(found.largest) == 10


def test_without_a_release_before_only_the_layers_that_are_over_are_looked_into():
    world = World()
    bundle = world.bundle("b1", core=(file("f", 5),), cpu=(file("lib.so", 1000),))
    found = explain(bundle, None, over(bundle, layers={"core": {"installed_bytes": 4}}), world.contents)
    assert [large.path for large in found.largest] == ["f"]


def test_where_nothing_outgrew_the_release_before_the_largest_files_are_named():
    world = World()
    before = world.bundle("b1", core=(file("f", 5, "b"),), cpu=(file("lib.so", 1000, "b"),))
    after = world.bundle("b2", core=(file("f", 5),), cpu=(file("lib.so", 900),))
    limits = over(after, layers={"cpu": {"installed_bytes": 4}})
    found = explain(after, before, limits, world.contents)
    assert (found.baseline, found.files, found.files_shrunk) == ("b1", (), 100)
    assert [large.path for large in found.largest] == ["lib.so"]


def test_a_layer_with_the_same_files_did_not_grow_though_its_archive_has_a_byte_more():
    world = World()
    before = world.bundle("b1", core=(file("f", 9),))
    (layer,) = before.layers
    after = before.model_copy(update={"version": "b2", "layers": (layer.model_copy(update={"size": layer.size + 1}),)})
    assert explain(after, before, over(after, installed_bytes=4), world.contents).layers == ()


def test_where_a_file_grew_the_largest_are_not_named():
    world = World()
    before = world.bundle("b1", core=(file("f", 5, "b"), file("large", 1000)))
    after = world.bundle("b2", core=(file("f", 6), file("large", 1000)))
    found = explain(after, before, over(after, installed_bytes=4), world.contents)
    assert [grown.path for grown in found.files] == ["f"]
    assert found.largest == ()


def test_only_bundles_whose_size_is_over_are_read_and_explained():
    world = World()
    large = world.bundle("b2", core=(file("f", 500),))
    small = world.bundle("b2", core=(file("f", 5),)).model_copy(update={"accel": "vulkan"})
    slow = small.model_copy(
        update={"accel": "avx2", "proof": Proof(level="run", ready_milliseconds=9000)}
    )  # fmt: skip
    before = world.bundle("b1", core=(file("f", 4),))
    table = BundleBudget(targets=("*",), installed_bytes=100, ready_milliseconds=1)
    bundles, baselines = (large, small, slow), {large.target: before, small.target: before}
    verdict = judge(bundles, {"llama.cpp": Budgets(bundles=(table,))}, baselines)
    assert bundles_to_read(verdict, bundles, baselines) == (large, before)
    (found,) = explained(verdict, bundles, baselines, world.contents).explanations
    assert (found.target, found.baseline) == (large.target, "b1")
