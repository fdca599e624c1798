from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.app.settings import Flags, load_settings
from pipeline.errors import UsageError

NAME = "ENGINE_PIPELINE_COMPILER_CACHE"


@pytest.fixture(autouse=True)
def _somewhere_else(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def choice(file: str = "", *, flags: Flags | None = None, **variables: str):
    if file:
        Path("pipeline.toml").write_text(f"[compiler_cache]\n{file}", encoding="utf-8")
    said = {f"{NAME}{key and '_'}{key.upper()}": value for key, value in variables.items()}
    return load_settings(flags or Flags(), {"HOME": "/h", **said}).compiler_cache


def test_without_a_word_the_cache_is_local():
    assert choice().settings is None


def test_the_environment_wins_over_the_file_key_by_key():
    found = choice('backend = "redis"\nurl = "redis://file:1"\nprefix = "p"\n', url="rediss://environment:2/")
    assert found.settings.backend == "redis"
    assert (found.settings.url, found.settings.prefix) == ("rediss://environment:2", "p")


def test_a_job_can_leave_the_shared_cache_of_the_file(tmp_path):
    Path("pipeline.toml").write_text('[compiler_cache]\nbackend = "redis"\nurl = "redis://file:1"\n')
    found = load_settings(Flags(), {"HOME": "/h", NAME: "local"}).compiler_cache
    assert found.settings.backend == "local"


def test_offline_no_shared_cache_is_asked():
    assert choice('backend = "redis"\nurl = "redis://file:1"\n', flags=Flags(offline=True)).settings.backend == "local"


def test_read_only_is_a_switch():
    file = 'backend = "gha"\nread_only = true\n'
    assert choice(file).settings.read_only is True
    assert choice(file, read_only="0").settings.read_only is False


def test_the_password_comes_from_the_environment_and_is_not_shown():
    found = choice('backend = "redis"\nurl = "redis://file:1"\n', password="canary-word")  # noqa: S106 - made up
    assert found.secrets == {"SCCACHE_REDIS_PASSWORD": "canary-word"}
    assert "canary-word" not in repr(found)


@pytest.mark.parametrize("backend", ["local", "redis"])
def test_credentials_of_another_backend_are_left_alone(backend):
    environment = {"HOME": "/h", NAME: backend, f"{NAME}_URL": "redis://h:1", "AWS_SECRET_ACCESS_KEY": "canary"}
    assert not load_settings(Flags(), environment).compiler_cache.secrets


def test_github_without_its_tokens_says_which_are_missing():
    found = load_settings(Flags(), {"HOME": "/h", NAME: "gha", "ACTIONS_RUNTIME_TOKEN": "t"}).compiler_cache
    assert found.fault().startswith("ACTIONS_RESULTS_URL not set")


@pytest.mark.parametrize(
    ("variables", "key"),
    [
        ({"": "redis"}, "URL"),
        ({"": "s3", "_REGION": "auto"}, "BUCKET"),
        ({"": "s3", "_BUCKET": "b"}, "REGION"),
    ],
)
def test_a_backend_that_lacks_a_key_is_an_error_that_names_its_variable(variables, key):
    with pytest.raises(UsageError) as caught:
        load_settings(Flags(), {"HOME": "/h", **{NAME + name: value for name, value in variables.items()}})
    assert f"{NAME}_{key}" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("", "memcached"),
        ("_URL", "redis://:canary-word@h:1"),
        ("_URL", "redis://canary-word@h"),
        ("_URL", "http://canary-word:1"),
        ("_URL", "redis://h:1/canary-word"),
        ("_URL", "redis://h:1?password=canary-word"),
        ("_URL", "redis://canary-word:99999"),
        ("_URL", "redis://canary-word:0"),
        ("_URL", "redis://canary-word:abc"),
        ("_URL", f"redis://canary-word{'y' * 70}:1"),
        ("_URL", "redis://canary-word..h:1"),
        ("_URL", "redis://[canary-word]:1"),
        ("_URL", "redis://[canary-word:1"),
        ("_ENDPOINT", "https://canary-word@h"),
        ("_ENDPOINT", "https://canary-word:99999"),
        ("_ENDPOINT", "h:1canary-word"),
        ("_SIZE", "much-canary-word"),
        ("_PREFIX", "canary-word with spaces"),
    ],
)
def test_a_value_that_makes_no_sense_is_named_by_its_variable_and_not_shown(name, value):
    with pytest.raises(UsageError) as caught:
        load_settings(Flags(), {"HOME": "/h", f"{NAME}{name}": value})
    assert f"{NAME}{name}:" in caught.value.message
    assert "canary-word" not in caught.value.message + (caught.value.hint or "")


@pytest.mark.parametrize(
    "url", ["redis://h", "redis://h.:65535", "redis://[::1]:1", "rediss://10.0.0.1", "redis://a_b:1"]
)
def test_what_a_server_can_be_called_is_taken(url):
    assert choice(**{"": "redis", "url": url}).settings.url == url


def test_a_password_in_the_file_is_refused_and_not_shown():
    Path("pipeline.toml").write_text('[compiler_cache]\nbackend = "redis"\nurl = "redis://:canary-word@h:1"\n')
    with pytest.raises(UsageError, match=r"compiler_cache\.url: .*no password") as caught:
        load_settings(Flags(), {"HOME": "/h"})
    assert "canary-word" not in caught.value.message
    Path("pipeline.toml").write_text('[compiler_cache]\npassword = "canary-word"\n')
    with pytest.raises(UsageError, match=r"compiler_cache\.password: unknown key") as caught:
        load_settings(Flags(), {"HOME": "/h"})
    assert "canary-word" not in caught.value.message
