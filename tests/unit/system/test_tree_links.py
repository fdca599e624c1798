"""Links are decided as values."""

import pytest

from pipeline.system.tree_links import link_fault


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("libx.so", "libx.so.1"),
        ("a/b/link", "../../c"),
        ("a/link", "./b/../c"),
        ("link", "dangling/but/inside"),
    ],
)
def test_a_link_that_stays_inside_has_no_fault(path, target):
    assert link_fault(path, {path: target}) is None


@pytest.mark.parametrize(
    "target", ["/etc/passwd", "..", "../x", "a/../../x", "c:/x", "a\\b", "", "a\nb", "nowhere/../../x", "\udcff"]
)
def test_a_link_out_of_the_tree_has_a_fault(target):
    assert link_fault("link", {"link": target}) is not None


def test_a_link_that_leaves_only_through_another_link_has_a_fault():
    # Lexically a/b/up/../.. is inside; through the link a/b/up -> ../.. it is not.
    links = {"a/b/up": "../..", "a/b/out": "up/../x"}
    assert link_fault("a/b/up", links) is None
    assert link_fault("a/b/out", links) == "leads out of the tree"


def test_a_loop_of_links_has_a_fault():
    assert "loop" in (link_fault("a", {"a": "b", "b": "a"}) or "")


def test_a_chain_that_doubles_at_each_link_ends_quickly():
    links = {f"l{n}": f"l{n + 1}/l{n + 1}" for n in range(60)}
    assert link_fault("l0", links) is not None
