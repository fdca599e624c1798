from __future__ import annotations

from pipeline.model.manifest_document import read_manifest
from pipeline.publish.dist import read_dist
from pipeline.publish.merging import merge
from tests.simulators.engine_world import World


def test_the_copy_of_one_engine_is_its_manifest_and_is_not_made_a_second_time(tmp_path):
    merged = merge({}, read_dist(World(tmp_path).build("b1")), replace=False)
    assert merged.copy is merged.manifests["llama.cpp"]


def test_the_copy_of_several_engines_lists_all_of_them_under_the_newest_release(tmp_path):
    world = World(tmp_path)
    world.build("b1")
    old = merge({}, read_dist(world.build("b2", engine="other")), replace=False)
    published = {engine: read_manifest(data) for engine, data in old.manifests.items()}
    newer = published["other"].model_copy(update={"release": "2026.12.0", "created": "2026-12-01T00:00:00Z"})
    merged = merge(published | {"other": newer}, None, replace=False)
    copy = read_manifest(merged.copy)
    assert (copy.release, [artifact.engine for artifact in copy.artifacts]) == ("2026.12.0", ["llama.cpp", "other"])
    assert read_manifest(merged.manifests["llama.cpp"]).release == published["llama.cpp"].release
