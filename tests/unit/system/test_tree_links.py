"""Links are decided as values."""

import pytest

from pipeline.system.tree_links import link_fault, link_faults


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


ALIASES = (
    ("up", "UP"),
    ("\u00fc", "u\u0308"),
    ("stra\u00dfe", "STRASSE"),
    ("I", "\u0131"),
)


@pytest.mark.parametrize(("name", "alias"), ALIASES)
def test_a_link_out_through_a_name_that_some_system_takes_for_another_link_has_a_fault(name, alias):
    # By its bytes alias/.. is the root; where both names are one link to the root, it is outside.
    assert dict(link_faults({name: ".", "out": f"{alias}/../x"})).keys() == {"out"}
    assert list(link_faults({name: ".", "in": f"{alias}/x"})) == []


@pytest.mark.parametrize("target", ["LONGNA~1/../x", "LONGNA~1/d/../../x", "d/LONGNA~1/d/../../x"])
def test_a_link_that_leads_up_again_from_what_may_be_a_short_name_has_a_fault(target):
    assert "short form" in (link_fault("out", {"long name of a link": ".", "out": target}) or "")


def test_a_link_out_of_a_folder_that_looks_like_a_short_name_is_fine():
    assert link_fault("backup~1/link", {"backup~1/link": "../lib/x"}) is None


@pytest.mark.parametrize("target", ["up./../x", "up /../x", "up::$INDEX_ALLOCATION/../x", "aux", "x" * 256, "d/" * 600])
def test_a_target_that_some_system_reads_otherwise_has_a_fault(target):
    assert link_fault("link", {"link": target}) is not None


def test_exits_with_a_return_are_exits():
    assert link_fault("d/link", {"d/link": "../../tree/d/file"}) == "leads out of the tree"


def test_a_chain_of_long_names_that_would_exhaust_path_max_is_followed_to_its_end():
    # CVE-2025-4517: realpath gives up after 4096 bytes and the rest of the path is taken as harmless.
    step = "d" * 200
    links = {f"{chr(97 + n)}": f"{step}/" * 4 + step for n in range(16)}
    links["escape"] = "/".join(sorted(links)) + "/../../../../../../../../../etc" + "/.." * 100
    assert link_fault("escape", links) is not None


def test_versioned_libraries_and_links_to_folders_are_fine():
    links = {
        "bin/libllama.so": "libllama.so.0",
        "bin/libllama.so.0": "libllama.so.0.0.1",
        "lib": "bin",
        "share/doc/current": "../../lib/doc",
        "lib64": "lib",
    }
    assert list(link_faults(links)) == []


def test_the_longest_chain_that_systems_follow_is_fine_and_one_more_is_not():
    links = {f"l{n}": f"l{n + 1}" for n in range(40)}
    assert link_fault("l0", links) is None
    assert link_fault("l0", {**links, "l40": "end"}) is not None
