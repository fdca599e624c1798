"""What the gate does with tests that are left out: it says why, and fails where nobody has allowed the reason.

``.ci/run`` asks for it with ``--allowed-skips``; what a machine may lack stands in ``tests/allowed_skips.toml``.
"""

from __future__ import annotations

import tomllib
from fnmatch import fnmatchcase
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the gate's two options."""
    group = parser.getgroup("skips")
    group.addoption("--allowed-skips", type=Path, metavar="FILE", help="fail on a skip whose reason is not in FILE")
    group.addoption("--skips-to", type=Path, metavar="FILE", help="write how many tests were skipped, and why")


def pytest_configure(config: pytest.Config) -> None:
    """Look at skips where that was asked for; workers tell the one process that counts."""
    path, report_path = config.getoption("--allowed-skips"), config.getoption("--skips-to")
    if not hasattr(config, "workerinput") and (path or report_path):
        config.pluginmanager.register(Skips(read_allowed(path) if path else ("*",), report_path))


def read_allowed(path: Path) -> tuple[str, ...]:
    """Return the reasons that are allowed, as globs."""
    return tuple(entry["reason"] for entry in tomllib.loads(path.read_text(encoding="utf-8"))["skips"])


class Skips:
    """Collects the tests that are left out, of all workers."""

    def __init__(self, allowed: tuple[str, ...], report_path: Path | None) -> None:
        self._allowed = allowed
        self._report_path = report_path
        self._found: dict[str, set[str]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take one test's outcome."""
        self._note(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Take one file's outcome; each worker says it."""
        self._note(report)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write what was left out, and fail where one reason is not allowed."""
        if self._report_path is not None:
            self._report_path.write_text("".join(f"{line}\n" for line in self._lines()), encoding="utf-8")
        if self._refused() and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say which reasons are not allowed."""
        for reason in self._refused():
            where = ", ".join(sorted(self._found[reason]))
            terminalreporter.write_line(f"SKIP NOT ALLOWED  {reason}: {where}", red=True)
        if self._refused():
            terminalreporter.write_line(
                "install what is missing, or add the reason to tests/allowed_skips.toml and say why"
            )

    def _note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            said = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            self._found.setdefault(said.removeprefix("Skipped: "), set()).add(report.nodeid)

    def _refused(self) -> list[str]:
        return sorted(reason for reason in self._found if not any(fnmatchcase(reason, glob) for glob in self._allowed))

    def _lines(self) -> list[str]:
        return sorted(f"{len(tests):3d}  {reason}" for reason, tests in self._found.items())
