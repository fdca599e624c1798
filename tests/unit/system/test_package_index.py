"""The package index is whatever pip is configured to use; its pages come in JSON or HTML."""

import dataclasses
import json
import os

import pytest

from pipeline.errors import HostError, IntegrityError, NetworkError, NothingSelectedError, OfflineError
from pipeline.events import Notice
from pipeline.system.clock import SystemClock
from pipeline.system.downloads import HttpDownloader
from pipeline.system.index_settings import PipAbsentError
from pipeline.system.package_index import ConfiguredIndex
from pipeline.system.processes import ProcessRunner
from pipeline.system.store import FileStore
from pipeline.system.transfer_policy import TransferPolicy
from tests.simulators import http_server as sim
from tests.simulators.engine_world import Recorder
from tests.simulators.pip_absent import WithoutPip

FILE = "My_Engine-1.0.tar.gz"
HTML = f'<!DOCTYPE html><html><body><a href="../../files/{FILE}#sha256=00">{FILE}</a><a>no</a></body></html>'.encode()


@pytest.fixture
def server():
    with sim.FaultyServer() as running:
        yield running


@pytest.fixture
def said():
    return Recorder()


@pytest.fixture
def index(tmp_path, said):
    made = []

    def configured(commands=None, *, offline=False, **environment):
        policy = TransferPolicy(tries=1)
        made.append(
            HttpDownloader(FileStore(tmp_path / "c"), offline=offline, events=said, clock=SystemClock(), policy=policy)
        )
        return ConfiguredIndex(made[-1], commands or ProcessRunner(), environment, said)

    yield configured
    for downloader in made:
        downloader.close()


def pip_environment(tmp_path, **settings):
    """Return an environment in which pip knows these settings and no others."""
    lines = "".join(f"{name.replace('_', '-')} = {value}\n" for name, value in settings.items())
    (tmp_path / "pip.conf").write_text(f"[global]\n{lines}")
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PIP_CONFIG_FILE": str(tmp_path / "pip.conf")}


def test_a_file_is_found_on_an_html_page_whatever_the_spelling_of_the_project(server, index):
    server.host("/simple/my-engine/", HTML, media_type="text/html")
    found = index(PIP_INDEX_URL=server.url("/simple/"), PIP_EXTRA_INDEX_URL=server.url("/x"))
    assert found.urls_of("My_.Engine", FILE) == (server.url(f"/files/{FILE}"),)
    assert found.urls_of("my-engine", FILE) == (server.url(f"/files/{FILE}"),)
    assert len(server.requests("/simple/my-engine/")) == 1, "a page is asked for once"
    assert "json" in server.requests("/simple/my-engine/")[0]["accept"]


@pytest.mark.parametrize("media_type", ["application/vnd.pypi.simple.v1+json", "application/json"])
def test_a_file_is_found_on_a_json_page(server, index, media_type):
    page = {"meta": {"api-version": "1.1"}, "files": [{"filename": FILE, "url": f"/f/{FILE}#x", "hashes": {}}]}
    server.host("/s/my-engine/", json.dumps(page).encode(), media_type=media_type)
    assert index(UV_INDEX_URL=server.url("/s")).urls_of("my-engine", FILE) == (server.url(f"/f/{FILE}"),)


@pytest.mark.parametrize(
    ("yanked", "reason"),
    [("it eats\n data", "it eats data"), (True, "no reason is given"), (" ", "no reason is given")],
)
def test_a_file_that_a_json_page_says_was_yanked_is_found_and_said_once(server, index, said, yanked, reason):
    page = {"files": [{"filename": FILE, "url": "/f/x", "yanked": yanked}]}
    server.host("/s/my-engine/", json.dumps(page).encode(), media_type="application/json")
    found = index(PIP_INDEX_URL=server.url("/s"))
    assert [found.urls_of("my-engine", FILE) for _ in range(2)] == [(server.url("/f/x"),)] * 2
    assert said.events == [Notice(f"{FILE} was yanked from the package index: {reason}", "warning")]


@pytest.mark.parametrize(
    ("attribute", "reason"),
    [('data-yanked="it &lt;eats&gt; data"', "it <eats> data"), ("data-yanked", "no reason is given")],
)
def test_a_file_that_an_html_page_says_was_yanked_is_found_and_said(server, index, said, attribute, reason):
    page = f'<a href="/f/{FILE}" {attribute}>x</a><a href="/f/other">x</a>'.encode()
    server.host("/s/my-engine/", page, media_type="text/html")
    found = index(PIP_INDEX_URL=server.url("/s"))
    assert found.urls_of("my-engine", FILE) == (server.url(f"/f/{FILE}"),)
    found.urls_of("my-engine", "other")
    assert said.events == [Notice(f"{FILE} was yanked from the package index: {reason}", "warning")]


@pytest.mark.parametrize("entry", [{}, {"yanked": False}, {"yanked": None}, {"yanked": ""}])
def test_a_file_that_was_not_yanked_is_not_said_to_be(server, index, said, entry):
    page = {"files": [{"filename": FILE, "url": "/f/x", **entry}]}
    server.host("/s/my-engine/", json.dumps(page).encode(), media_type="application/json")
    index(PIP_INDEX_URL=server.url("/s")).urls_of("my-engine", FILE)
    assert said.events == []


def test_links_are_relative_to_where_the_page_came_from(server, index):
    with sim.FaultyServer() as other:
        other.host("/deep/er/my-engine/", HTML, media_type="text/html")
        server.host("/simple/my-engine/", b"", sim.redirect(other.url("/deep/er/my-engine/")))
        found = index(UV_DEFAULT_INDEX=server.url("/simple")).urls_of("my-engine", FILE)
        assert found == (other.url(f"/deep/files/{FILE}"),)


def test_a_page_may_say_its_base(server, index):
    page = b'<html><base href="https://files.example.com/a/"><a href="b/x%2B1.whl">x</a></html>'
    server.host("/s/x/", page, media_type="text/html")
    found = index(PIP_INDEX_URL=server.url("/s")).urls_of("x", "x+1.whl")
    assert found == ("https://files.example.com/a/b/x%2B1.whl",)


def test_a_folder_is_an_index_even_offline(tmp_path, index):
    (tmp_path / "simple" / "my-engine").mkdir(parents=True)
    (tmp_path / "simple" / "my-engine" / "index.html").write_bytes(HTML)
    found = index(offline=True, PIP_INDEX_URL=(tmp_path / "simple").as_uri()).urls_of("my-engine", FILE)
    assert found == ((tmp_path / "files" / FILE).as_uri(),)


def test_the_next_index_is_asked_when_the_first_has_not_the_file(server, index):
    server.host("/two/my-engine/", HTML, media_type="text/html")
    found = index(PIP_INDEX_URL=server.url("/one"), PIP_EXTRA_INDEX_URL=f"{server.url('/no')} {server.url('/two')}")
    assert found.urls_of("my-engine", FILE) == (server.url(f"/files/{FILE}"),)


def test_the_indexes_of_uv_are_asked_before_its_default_and_may_have_names(server, index):
    server.host("/one/my-engine/", b"<html></html>", media_type="text/html")
    server.host("/two/my-engine/", HTML, media_type="text/html")
    server.host("/default/my-engine/", HTML, media_type="text/html")
    found = index(UV_INDEX=f"{server.url('/one')} mine={server.url('/two')}", UV_DEFAULT_INDEX=server.url("/default"))
    assert found.urls_of("my-engine", FILE) == (server.url(f"/files/{FILE}"),)
    assert len(server.requests("/one/my-engine/")) == 1
    assert server.requests("/default/my-engine/") == []


def test_the_default_index_of_uv_may_have_a_name_and_is_asked_after_the_others(server, index):
    server.host("/default/my-engine/", HTML, media_type="text/html")
    found = index(UV_INDEX=server.url("/one"), UV_DEFAULT_INDEX=f"mine={server.url('/default')}")
    assert found.urls_of("my-engine", FILE) == (server.url(f"/files/{FILE}"),)


def test_pip_s_own_configuration_counts(server, index, tmp_path):
    server.host("/conf/my-engine/", HTML, media_type="text/html")
    environment = pip_environment(tmp_path, index_url=server.url("/none"), extra_index_url=server.url("/conf"))
    assert index(**environment).urls_of("my-engine", FILE) == (server.url(f"/files/{FILE}"),)


def test_the_environment_wins_over_pip_s_configuration(server, index, tmp_path):
    server.host("/env/my-engine/", HTML, media_type="text/html")
    server.host("/conf/my-engine/", HTML, media_type="text/html")
    environment = pip_environment(tmp_path, index_url=server.url("/conf"))
    index(**environment, PIP_INDEX_URL=server.url("/env")).urls_of("my-engine", FILE)
    assert server.requests("/conf/my-engine/") == []


def test_the_files_of_uv_win_over_those_of_pip(server, index, tmp_path):
    server.host("/uv/my-engine/", HTML, media_type="text/html")
    (tmp_path / "uv.toml").write_text(f'[[index]]\nname = "own"\nurl = "{server.url("/uv")}"\ndefault = true\n')
    environment = pip_environment(tmp_path, index_url=server.url("/pip"))
    environment["UV_CONFIG_FILE"] = str(tmp_path / "uv.toml")
    assert index(**environment).urls_of("my-engine", FILE) == (server.url(f"/files/{FILE}"),)
    assert server.requests("/pip/my-engine/") == []


def test_a_variable_of_uv_wins_over_one_of_pip(server, index):
    server.host("/uv/my-engine/", HTML, media_type="text/html")
    index(PIP_INDEX_URL=server.url("/pip"), UV_DEFAULT_INDEX=server.url("/uv")).urls_of("my-engine", FILE)
    assert server.requests("/pip/my-engine/") == []


def test_without_any_configuration_it_is_pip_s_default(tmp_path, index):
    environment = pip_environment(tmp_path)
    with pytest.raises(OfflineError) as caught:
        index(offline=True, **environment).urls_of("my-engine", FILE)
    assert "https://" in caught.value.message
    assert "/simple/my-engine/" in caught.value.message


def test_a_file_that_no_index_has_is_said(server, index):
    server.host("/s/my-engine/", HTML, media_type="text/html")
    found = index(PIP_INDEX_URL=server.url("/s"), PIP_EXTRA_INDEX_URL=server.url("/s"))
    for package, filename in (("my-engine", "other.tar.gz"), ("absent", FILE)):
        with pytest.raises(NothingSelectedError, match=filename):
            found.urls_of(package, filename)


def test_an_index_that_fails_is_not_taken_for_one_without_the_file(server, index):
    server.host("/s/my-engine/", HTML, *[sim.status(500)] * 9)
    found = index(PIP_INDEX_URL=server.url("/s"), PIP_EXTRA_INDEX_URL=server.url("/none"))
    with pytest.raises(NetworkError, match="500"):
        found.urls_of("my-engine", FILE)


@pytest.mark.parametrize(
    "page",
    [
        b"plain text",
        b"{",
        b'{"files": 1}',
        b'{"files": [{"filename": 1, "url": "x"}]}',
        b"{}",
        b'{"files": [{"filename": "a", "url": "x", "yanked": 1}]}',
        b"\xff\xfe<a>",
    ],
)
def test_something_that_is_no_index_page_is_an_integrity_error(server, index, page):
    server.host("/s/my-engine/", page, media_type="text/html")
    with pytest.raises(IntegrityError, match="no package index page"):
        index(PIP_INDEX_URL=server.url("/s"), PIP_EXTRA_INDEX_URL=server.url("/s")).urls_of("my-engine", FILE)


def test_without_pip_the_way_out_is_said(index):
    with pytest.raises(PipAbsentError) as caught:
        index(WithoutPip()).urls_of("my-engine", FILE)
    assert "PIP_INDEX_URL" in caught.value.hint


def test_without_pip_a_default_index_that_is_named_and_has_not_the_file_is_answered_as_with_pip(server, index):
    server.host("/s/my-engine/", HTML, media_type="text/html")
    with pytest.raises(NothingSelectedError, match="other"):
        index(WithoutPip(), PIP_INDEX_URL=server.url("/s")).urls_of("my-engine", "other")


BROKEN = {
    "no section": "index-url = https://user:secret@own.example/simple\n",
    "no value": "[global]\nsecret\n",
    "no value and a second line": "[global]\nindex-url\n    https://user:secret@own.example/simple\n",
    "twice": "[global]\nindex-url = https://user:secret@own.example\nindex-url = https://user:secret@own.example\n",
    "a url for a section": "[https://user:secret@own.example]\n" * 2,
    "no text": "[global]\nindex-url = \udcff\n",
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_a_broken_file_of_pip_s_is_an_error_that_says_why_and_shows_nothing_of_it(tmp_path, index, text):
    environment = pip_environment(tmp_path)
    (tmp_path / "pip.conf").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(HostError) as caught:
        index(**environment).urls_of("my-engine", FILE)
    assert not isinstance(caught.value, PipAbsentError)
    assert "Configuration" in caught.value.message
    assert "secret" not in caught.value.message + caught.value.hint
    assert "pip config debug" in caught.value.hint


def test_what_python_prints_itself_is_not_taken_for_what_pip_says(server, index, tmp_path):
    server.host("/conf/my-engine/", HTML, media_type="text/html")
    environment = pip_environment(tmp_path, index_url=server.url("/conf"))
    (tmp_path / "sitecustomize.py").write_text(
        "import atexit\nprint('hello', end='')\natexit.register(print, '{\"default\": \"file:///x\"}')\n"
    )
    found = index(**environment, PYTHONVERBOSE="1", PYTHONPATH=str(tmp_path))
    assert found.urls_of("my-engine", FILE) == (server.url(f"/files/{FILE}"),)


class CutsLines(ProcessRunner):
    """Cuts each line, as the real one does with lines that are very long."""

    def run(self, command, **options):
        outcome = super().run(command, **options)
        return dataclasses.replace(outcome, tail=tuple(line[:-10] for line in outcome.tail))


def test_an_answer_that_was_cut_is_not_shown(index, tmp_path):
    environment = pip_environment(tmp_path, index_url="https://user:secret@own.example/simple")
    with pytest.raises(HostError, match="its answer is too long") as caught:
        index(CutsLines(), **environment).urls_of("my-engine", FILE)
    assert "secret" not in caught.value.message
    assert caught.value.__cause__ is None


def test_a_python_that_ends_before_pip_answers_is_an_error_and_its_output_is_not_shown(index, tmp_path):
    environment = pip_environment(tmp_path)
    (tmp_path / "sitecustomize.py").write_text("import os\nprint('user:secret', flush=True)\nos._exit(3)\n")
    with pytest.raises(HostError, match="it ended with 3") as caught:
        index(**environment, PYTHONPATH=str(tmp_path)).urls_of("my-engine", FILE)
    assert "secret" not in caught.value.message


def test_the_password_of_an_index_is_in_no_message(server, index):
    url = server.url("/s").replace("//", "//user:secret@")
    server.host("/s/my-engine/", b"", *[sim.status(500)] * 9)
    with pytest.raises(NetworkError) as caught:
        index(PIP_INDEX_URL=url, PIP_EXTRA_INDEX_URL=server.url("/none")).urls_of("my-engine", FILE)
    assert "secret" not in caught.value.message
