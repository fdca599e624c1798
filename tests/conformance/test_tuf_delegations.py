"""Who may speak for which file, and what a client does with the bytes: delegations and downloads of `ci/tuf_client`."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256
from urllib.parse import quote

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Delegations, SuccinctRoles, Targets

from tests.conformance.conftest import TufClient
from tests.simulators.tuf_repository import TufRepository

DAY = 86_400

# parent, role, paths, terminating; then the order in which a file that nobody has is looked for
GRAPHS = {
    "one": ([("targets", "A")], "A"),
    "two": ([("targets", "A"), ("targets", "B")], "AB"),
    "below the second": ([("targets", "A"), ("targets", "B"), ("B", "C")], "ABC"),
    "depth before breadth": ([("targets", "A"), ("targets", "B"), ("A", "C"), ("A", "D")], "ACDB"),
    "three deep": ([("targets", "A"), ("targets", "B"), ("A", "C"), ("C", "D")], "ACDB"),
    "the end of the search": ([("targets", "A"), ("targets", "B"), ("A", "C", "*", True), ("A", "D")], "AC"),
    "below the end of the search": ([("targets", "A"), ("targets", "B"), ("A", "C", "*", True), ("C", "D")], "ACD"),
    "an end of other paths": ([("targets", "A", "*.py", True), ("targets", "B")], "B"),
    "other paths": ([("targets", "A", "*.py"), ("targets", "B"), ("A", "C")], "B"),
    "other paths below": ([("targets", "A"), ("targets", "B"), ("A", "C", "*.py"), ("C", "D")], "AB"),
    "a circle": ([("targets", "A"), ("A", "B"), ("B", "C"), ("C", "A")], "ABC"),
    "itself": ([("targets", "A"), ("A", "A")], "A"),
    "two ways to one": ([("targets", "A"), ("targets", "B"), ("B", "C"), ("A", "C")], "ACB"),
    "one way is of other paths": ([("targets", "A"), ("targets", "B"), ("B", "C"), ("A", "C", "*.py")], "ABC"),
}


def build(repository: TufRepository, graph: list[tuple]) -> None:
    for parent, name, *more in graph:
        repository.delegate(parent, name, paths=more[:1] or ["*"], terminating=len(more) > 1)
    repository.put_all(*dict.fromkeys(name for _, name, *_ in graph))


@pytest.mark.parametrize(("graph", "order"), GRAPHS.values(), ids=GRAPHS)
def test_roles_are_asked_in_the_order_of_the_specification(client, repository, graph, order):
    build(repository, graph)
    assert client.download("nothing") == 1
    assert repository.metadata_asked()[4:] == [f"1.{name}.json" for name in order]


def test_the_first_that_knows_a_file_decides(client, repository):
    for name in "AB":
        repository.delegate("targets", name)
    repository.add("B", "file", b"of B")
    repository.add("A", "file", b"of A")
    repository.put_all("A", "B")
    assert client.download("file") == 0
    assert client.files() == {b"of A"}


@pytest.mark.parametrize(
    ("path", "pattern", "found"),
    [
        ("docs/readme.md", "docs/*.md", True),
        ("docs/readme.md", "*.md", False),  # a star does not cross a slash
        ("docs/deep/readme.md", "docs/*", False),
        ("release/7/x.zip", "release/?/*.zip", True),
        ("other/x.zip", "release/*", False),
        ("README.MD", "*.md", False),
        ("foo-12.tgz", "foo-?.tgz", False),
        ("release/../other/x.zip", "other/*", False),
    ],
)
def test_a_role_speaks_only_for_its_paths(client, repository, path, pattern, found):
    repository.delegate("targets", "A", paths=[pattern])
    repository.add("A", path, b"content")
    repository.put_all("A")
    assert client.download(path) == (0 if found else 1)
    assert client.files() == ({b"content"} if found else set())


def test_a_file_must_be_delegated_all_the_way(client, repository):
    repository.delegate("targets", "A", paths=["a/*"])
    repository.delegate("A", "B", paths=["b/*"])
    repository.add("B", "b/file", b"content")
    repository.put_all("A", "B")
    assert client.download("b/file") == 1


def test_paths_by_their_digest(client, repository):
    prefix = sha256(b"some/file").hexdigest()[:2]
    repository.delegate("targets", "A", prefixes=[prefix])
    repository.add("A", "some/file", b"content")
    repository.put_all("A")
    assert client.download("some/file") == 0
    assert client.files() == {b"content"}


@pytest.mark.parametrize("bits", [1, 3, 8])
def test_bins_by_digest(client, repository, bits):
    signer = CryptoSigner.generate_ed25519()
    bins = SuccinctRoles([], 1, bits, "bin")
    repository.targets.delegations = Delegations({}, None, bins)
    repository.targets.add_key(signer.public_key)
    name = bins.get_role_for_target("some/file")
    for role in bins.get_roles():
        repository.roles[role] = Targets(expires=repository.now + timedelta(days=1))
        repository.signers[role] = [signer]
    repository.add(name, "some/file", b"content")
    repository.put_all(*bins.get_roles())
    assert client.download("some/file") == 0
    assert repository.metadata_asked()[4:] == [f"2.{name}.json"]


def test_a_chain_of_roles_without_end_is_given_up(client, repository):
    names = [f"r{number}" for number in range(60)]
    for parent, name in zip(["targets", *names], names, strict=False):
        repository.delegate(parent, name)
    repository.add(names[-1], "file", b"content")
    repository.put_all(*names)
    assert client.download("file") == 1
    assert len(repository.metadata_asked()[4:]) < 60
    assert client.files() == set()


@pytest.mark.parametrize(
    "name", ["?", "#", "/absolute", "../above", "a b", "%2e%2e", "ü", "con\\aux", "a" * 60, "1.root", "root.json"]
)
def test_roles_of_any_name_are_asked_for_and_kept_by_it(client, repository, name):
    repository.delegate("targets", name)
    repository.add(name, "file", b"content")
    repository.put_all(name)
    assert client.download("file") == 0
    assert f"1.{quote(name, safe='')}.json" in repository.metadata_asked()
    assert len(client.trusted()) == 5
    assert {path.parent for path in client.metadata_dir.rglob("*.json")} <= {
        client.metadata_dir,
        client.metadata_dir / "root_history",
    }


def test_a_role_signed_by_the_key_of_another_is_refused(client, repository):
    for name in "AB":
        repository.delegate("targets", name, paths=[f"{name}/*"])
    repository.add("A", "A/file", b"content")
    repository.put("A", sign_with=repository.signers["B"])
    repository.put("B", "targets", "snapshot", "timestamp")
    assert client.download("A/file") == 1
    assert "A" not in client.trusted()


def test_a_role_that_two_delegate_to_is_verified_for_each_of_them(client, repository):
    """What was verified for one delegator does not speak for another, who names other keys."""
    for parent in ("one", "two"):
        repository.delegate("targets", parent, paths=[f"{parent}/*"])
    repository.delegate("one", "both", paths=["one/*"])
    own = repository.signers["both"]
    repository.signers["both"] = [CryptoSigner.generate_ed25519()]
    repository.delegate("two", "both", paths=["two/*"])
    repository.add("both", "one/file", b"of one")
    repository.add("both", "two/file", b"of two")
    repository.put("both", sign_with=own)
    repository.put_all("one", "two")
    assert client.download("one/file", "two/file") == 1
    assert client.files() == {b"of one"}
    assert client.download("two/file") == 1


def test_a_role_that_the_snapshot_does_not_list_is_not_used(client, repository):
    repository.delegate("targets", "A")
    repository.add("A", "file", b"content")
    repository.put("A")
    del repository.snapshot.meta["A.json"]
    repository.put("targets", "snapshot", "timestamp")
    assert client.download("file") == 1
    assert client.files() == set()
    assert len(repository.metadata_asked()) == 4  # it was not even asked for


def test_an_expired_role_is_not_used_when_it_comes(client, repository):
    repository.delegate("targets", "A", expires=repository.now - timedelta(days=1))
    repository.add("A", "file", b"content")
    repository.put_all("A")
    assert client.refresh() == 0
    assert client.download("file") == 1
    assert "A" not in client.trusted()


def test_an_expired_role_is_not_used_when_it_was_kept_until_a_newer_one_is_there(client, repository):
    repository.delegate("targets", "A", expires=repository.now + timedelta(days=7))
    repository.add("A", "first", b"first")
    repository.add("A", "second", b"second")
    repository.put_all("A")
    assert client.download("first") == 0
    client.clock.sleep(10 * DAY)
    assert client.download("second") == 1
    assert client.files() == {b"first"}
    repository.roles["A"].expires = repository.now + timedelta(days=20)
    repository.put("A", "snapshot", "timestamp")
    assert client.download("second") == 0
    assert client.files() == {b"first", b"second"}


def test_a_role_of_lower_version_is_refused(client, repository):
    repository.delegate("targets", "A")
    repository.put("A")
    repository.put_all("A")
    assert client.download("nothing") == 1
    assert client.trusted()["A"] == 2
    repository.roles["A"].version = 0
    repository.add("A", "file", b"content")
    repository.put("A", "snapshot", "timestamp")
    assert client.download("file") == 1
    assert client.files() == set()


# --- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["file.txt", "a/deep/folder/file.txt", "a b.txt", "ü/ñ.bin", "100%.txt", "what?.txt", "a#b", "a+b&c=d"]
)
def test_files_of_any_name_are_downloaded(client, repository, path):
    repository.add("targets", path, b"content")
    repository.put_all()
    assert client.refresh() == 0
    assert client.files() == set()
    assert client.download(path) == 0
    assert client.files() == {b"content"}


@pytest.mark.parametrize("path", ["../outside", "/absolute", "a/../../outside", "x" * 240, ".", "..", "-", "con"])
def test_no_name_of_a_file_leads_out_of_the_folder(client, repository, path):
    repository.add("targets", path, b"content")
    repository.put_all()
    before = {found for found in client.folder.rglob("*") if client.target_dir not in (found, *found.parents)}
    client.download(path)
    after = {found for found in client.folder.rglob("*") if client.target_dir not in (found, *found.parents)}
    kept = client.metadata_dir
    assert {found for found in after - before if kept not in (found, *found.parents)} == set()


def test_two_files_of_one_base_name_are_two(client, repository):
    repository.add("targets", "a/name", b"of a")
    repository.add("targets", "b/name", b"of b")
    repository.put_all()
    assert client.download("a/name") == 0
    assert client.download("b/name") == 0
    assert client.files() == {b"of a", b"of b"}


@pytest.mark.parametrize("served", [b"CONTENT", b"content and more", b"cont", b"", b"\0" * 100_000])
@pytest.mark.parametrize("hashes", [["sha256"], ["sha512"]])
def test_other_bytes_than_the_listed_ones_are_not_kept(client, repository, served, hashes):
    repository.add("targets", "file", b"content", served=served, hashes=hashes)
    repository.put_all()
    assert client.download("file") == 1
    assert client.files() == set()


def test_what_is_there_already_is_not_downloaded_again(client, repository):
    target = repository.add("targets", "a/file", b"content")
    repository.put_all()
    assert client.download("a/file") == 0
    repository.serve(target, b"evil")
    assert client.download("a/file") == 0
    assert len(repository.files_asked()) == 1
    assert client.files() == {b"content"}


def test_a_file_that_was_damaged_here_is_downloaded_again(client, repository):
    repository.add("targets", "file", b"content")
    repository.put_all()
    assert client.download("file") == 0
    next(client.target_dir.iterdir()).write_bytes(b"damaged")
    assert client.download("file") == 0
    assert client.files() == {b"content"}


def test_a_newer_file_takes_the_place_of_the_older(client, repository):
    for number in range(3):
        target = repository.add("targets", "file", b"content %d" % number)
        repository.put_all()
        assert client.download("file") == 0
        assert client.files() == {b"content %d" % number}
    repository.serve(target, b"evil")
    repository.put_all()
    assert client.download("file") == 0
    assert client.files() == {b"content 2"}


@pytest.mark.parametrize("hashes", [["sha256"], ["sha512"], ["sha256", "sha512"]])
def test_the_usual_digests_are_known(client, repository, hashes):
    repository.add("targets", "file", b"content", hashes=hashes)
    repository.put_all()
    assert client.download("file") == 0
    assert len(repository.files_asked()) == 1


def test_each_listed_digest_must_hold(client, repository):
    target = repository.add("targets", "file", b"content", hashes=["sha256", "sha512"])
    target.hashes["sha512"] = "0" * 128
    repository.put_all()
    assert client.download("file") == 1
    assert client.files() == set()


def test_a_digest_that_nobody_knows_proves_nothing(client, repository):
    target = repository.add("targets", "file", b"content")
    target.hashes = {"crc": target.hashes["sha256"]}
    repository.put_all()
    assert client.download("file") == 1
    assert client.files() == set()


def test_a_repository_without_consistent_snapshots(client, repository):
    repository.root.consistent_snapshot = False
    repository.prefixed = False
    repository.add("targets", "a/file", b"content")
    repository.put("root")
    repository.put_all()
    assert client.download("a/file") == 0
    assert client.files() == {b"content"}
    assert repository.metadata_asked()[-2:] == ["snapshot.json", "targets.json"]
    assert repository.files_asked() == ["a/file"]


def test_a_download_refreshes_first(client: TufClient, repository):
    assert client.download("nothing") == 1
    assert client.trusted() == {"root": 1, "timestamp": 1, "snapshot": 1, "targets": 1}
