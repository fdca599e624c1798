from __future__ import annotations

from pathlib import Path

from pipeline.app.bug_report import write_bug_report
from pipeline.app.settings import Settings


def settings(cache_dir: Path, **more) -> Settings:
    return Settings(cache_dir=cache_dir, keys_dir=cache_dir, recipes_dir=cache_dir, **more)


def raised() -> Exception:
    try:
        {}["core"]
    except KeyError as error:
        return error
    raise AssertionError


def test_a_report_holds_versions_command_line_and_traceback(tmp_path):
    path = write_bug_report(raised(), ["build", "--target", "t"], settings(tmp_path / "cache"))
    text = Path(path).read_text()
    assert Path(path).parent == tmp_path / "cache" / "logs"
    assert text.startswith("engine-pipeline ")
    assert "build --target t" in text
    assert text.rstrip().endswith("KeyError: 'core'")


def test_a_report_that_cannot_be_kept_goes_to_stderr(tmp_path, capsys):
    (tmp_path / "cache").write_text("in the way")
    assert write_bug_report(raised(), [], settings(tmp_path / "cache")) is None
    assert "KeyError: 'core'" in capsys.readouterr().err


def test_verbose_shows_the_traceback_too(tmp_path, capsys):
    write_bug_report(raised(), [], settings(tmp_path, verbosity="verbose"))
    assert "KeyError: 'core'" in capsys.readouterr().err
