from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.gathering.command import PROJECT, main
from tests.gathering.page import BEGIN, END, verdict, with_page
from tests.gathering.programs import read_programs
from tests.gathering.protocol import complaints, is_met, spread
from tests.gathering.running import judged

MEASURES = """
import json, sys
sys.path.insert(0, {project!r})
from tests.gathering.protocol import spread
print("one round", file=sys.stderr)
figures = [spread("bytes moved", [0.5, 0.25, 0.75], peer="curl", aim=1.0), spread("speed", [0.4], aim={aim})]
print(json.dumps({{"figures": figures, "left_out": ["no link here"], "arguments": sys.argv[1:]}}))
sys.exit({code})
"""
FAILS = "import sys; print('half a line'); sys.exit('the disk is full')"
WAITS = """
import sys, time
from pathlib import Path
work = Path(sys.argv[sys.argv.index("--work") + 1])
Path({told!r}).write_text("started")
try:
    time.sleep(60)
finally:
    Path({told!r}).write_text("cleaned up")
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    place = tmp_path / "programs"
    place.mkdir()
    return place


def write(folder: Path, programs: dict[str, str], **keys: str) -> None:
    """Write programs and their list; ``keys`` are more TOML lines of one of them."""
    listed = ""
    for name, text in programs.items():
        (folder / f"{name}.py").write_text(text)
        more = keys.get(name, "quick = ['--few', '{output}/drawn.svg']")
        listed += f"[[programs]]\nname = '{name}'\ntitle = 'a {name}'\narguments = ['--many']\n{more}\n"
    (folder / "programs.toml").write_text(listed)


def measuring(*, aim: float = 0.5, code: int = 0) -> str:
    return MEASURES.format(project=str(PROJECT), aim=aim, code=code)


def gather(folder: Path, output: Path, *more: str) -> tuple[int, dict]:
    status = main(["--programs", str(folder), "--output", str(output), *more])
    return status, json.loads((output / "performance.json").read_text())


def test_what_a_benchmark_prints_is_gathered_with_machine_versions_and_its_log(folder, tmp_path):
    write(folder, {"good": measuring()}, good="quick = []\nneeds = ['tar']")
    status, document = gather(folder, tmp_path / "out")
    (entry,) = document["programs"]
    assert status == 0
    assert (entry["status"], entry["quick"], entry["arguments"]) == ("measured", False, ["--many"])
    assert entry["figures"][0] == {
        "what": "bytes moved", "value": 0.5, "lowest": 0.25, "highest": 0.75, "rounds": 3,
        "unit": "ratio", "peer": "curl", "aim": 1.0, "better": "lower",
    }  # fmt: skip
    assert document["machine"]["cores"] >= 1
    assert re.fullmatch(r"[0-9.]+", document["versions"]["tar"])
    assert (tmp_path / "out" / "good.log").read_text() == "one round\n"
    table = (tmp_path / "out" / "performance.md").read_text()
    assert "| good | bytes moved | curl | **0.5** | 0.25 to 0.75 | 3 | at most 1: met |" in table
    assert "- `good`: no link here" in table


def test_a_quick_run_has_its_own_arguments_and_says_so(folder, tmp_path):
    write(folder, {"good": measuring()})
    _, document = gather(folder, tmp_path / "out", "--quick")
    (entry,) = document["programs"]
    assert entry["details"]["arguments"][:2] == ["--few", str(tmp_path / "out" / "drawn.svg")]
    assert entry["arguments"] == ["--few", "{output}/drawn.svg"]
    assert "quick runs" in (tmp_path / "out" / "performance.md").read_text()


def test_a_benchmark_that_fails_is_listed_with_its_last_words_and_the_others_are_measured(folder, tmp_path):
    write(folder, {"bad": FAILS, "good": measuring()})
    status, document = gather(folder, tmp_path / "out")
    bad, good = document["programs"]
    assert status == 1
    assert (bad["status"], bad["figures"]) == ("failed", [])
    assert "the disk is full" in bad["why"]
    assert good["status"] == "measured"
    assert "`bad` failed: it ended with 1: the disk is full" in (tmp_path / "out" / "performance.md").read_text()


def test_an_aim_that_is_missed_is_shown_and_is_no_failure(folder, tmp_path):
    write(folder, {"good": measuring(aim=0.3, code=1)})
    status, _ = gather(folder, tmp_path / "out")
    assert status == 0
    assert "at most 0.3: **missed**" in (tmp_path / "out" / "performance.md").read_text()


def test_a_benchmark_that_ends_with_an_error_after_its_figures_has_failed():
    printed = json.dumps({"figures": [spread("x", [1.0], aim=2.0)]})
    assert judged(1, printed, "")["status"] == "failed"
    assert judged(0, printed, "")["status"] == "measured"


def test_a_benchmark_whose_program_is_missing_is_left_out_by_name_and_the_missing_peer_is_said(folder, tmp_path):
    keys = {"good": "quick = []\nneeds = ['no-such-server']", "other": "quick = []\npeers = ['no-such-peer']"}
    write(folder, {"good": measuring(), "other": measuring()}, **keys)
    status, document = gather(folder, tmp_path / "out")
    assert status == 0
    assert [entry["status"] for entry in document["programs"]] == ["left out", "measured"]
    assert document["missing"] == ["no-such-peer", "no-such-server"]
    table = (tmp_path / "out" / "performance.md").read_text()
    assert "`good` was left out: missing here: no-such-server" in table
    assert "peers that are not on this machine: no-such-peer, no-such-server" in table


def test_a_benchmark_without_a_quick_form_says_why_it_is_left_out_and_loses_no_earlier_result(folder, tmp_path):
    write(folder, {"good": measuring()}, good="slow = 'it compiles for hours'")
    _, document = gather(folder, tmp_path / "empty", "--quick")
    assert document["programs"][0]["why"] == "not in a quick run: it compiles for hours"
    gather(folder, tmp_path / "out")
    _, document = gather(folder, tmp_path / "out", "--quick")
    assert document["programs"][0]["status"] == "measured"


def test_it_can_be_done_in_parts(folder, tmp_path):
    write(folder, {"one": measuring(), "two": measuring()})
    gather(folder, tmp_path / "out", "--only", "two")
    _, document = gather(folder, tmp_path / "out", "--only", "one", "--quick")
    assert [(entry["name"], entry["quick"]) for entry in document["programs"]] == [("one", True), ("two", False)]


def test_what_was_not_run_is_named(folder, tmp_path):
    write(folder, {"one": measuring(), "two": measuring()})
    _, document = gather(folder, tmp_path / "out", "--only", "two")
    assert document["not_run"] == ["one"]
    assert "- not run: `one`" in (tmp_path / "out" / "performance.md").read_text()


def test_results_of_another_machine_are_not_mixed_in_and_stay(folder, tmp_path, capsys):
    write(folder, {"one": measuring(), "two": measuring()})
    _, document = gather(folder, tmp_path / "out", "--only", "two")
    document["machine"]["cores"] += 1
    (tmp_path / "out" / "performance.json").write_text(json.dumps(document))
    status, after = gather(folder, tmp_path / "out", "--only", "one")
    assert (status, after) == (2, document)
    assert "choose another folder" in capsys.readouterr().err


def test_a_folder_without_results_is_refused_by_read_and_not_made(folder, tmp_path, capsys):
    write(folder, {"one": measuring()})
    assert main(["--programs", str(folder), "--read", str(tmp_path / "none"), "--write-docs"]) == 2
    assert not (tmp_path / "none").exists()
    assert "none/performance.json" in capsys.readouterr().err


def test_a_name_that_is_no_benchmark_is_refused_with_those_that_are(folder, tmp_path, capsys):
    write(folder, {"good": measuring()})
    assert main(["--programs", str(folder), "--output", str(tmp_path / "out"), "--only", "god"]) == 2
    assert "no benchmark is called god; there are good" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminated"])
def test_what_was_measured_before_it_was_ended_is_kept_and_the_running_one_cleans_up(folder, tmp_path, number):
    told = tmp_path / "told"
    write(folder, {"good": measuring(), "long": WAITS.format(told=str(told)), "never": measuring()})
    argv = [sys.executable, "-m", "tests.gathering.command", "--programs", folder, "--output", tmp_path / "out"]
    running = subprocess.Popen(argv, cwd=PROJECT, env={**os.environ, "PYTHONPATH": str(PROJECT)})
    until = time.monotonic() + 120
    while not told.exists() and time.monotonic() < until:
        time.sleep(0.05)
    running.send_signal(number)
    assert running.wait(timeout=120) == 130
    assert told.read_text() == "cleaned up"
    document = json.loads((tmp_path / "out" / "performance.json").read_text())
    found = {entry["name"]: entry["status"] for entry in document["programs"]}
    assert found == {"good": "measured", "long": "interrupted"}
    assert not (tmp_path / "out" / "work").exists()


def test_the_generated_part_of_the_page_is_replaced_and_the_text_around_it_stays(folder, tmp_path):
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "performance.md").write_text(f"# By hand\n\n{BEGIN}\nold\n{END}\n\nMore by hand.\n")
    write(folder, {"good": measuring()})
    gather(folder, tmp_path / "out")
    (tmp_path / "out" / "drawn.svg").write_text("<svg/>")
    write(folder, {"good": measuring()}, good="quick = []\npictures = ['drawn.svg']")
    arguments = ["--programs", str(folder), "--docs", str(docs), "--read", str(tmp_path / "out"), "--write-docs"]
    assert main(arguments) == 0
    once = (docs / "performance.md").read_text()
    assert main(arguments) == 0
    assert (docs / "performance.md").read_text() == once
    assert once.startswith("# By hand\n")
    assert once.endswith("\n\nMore by hand.\n")
    assert "old" not in once
    assert "bytes moved" in once
    assert (docs / "performance-data" / "drawn.svg").is_file()


def test_a_page_without_its_markers_is_left_alone():
    with pytest.raises(ValueError, match="once each"):
        with_page("# By hand\n", "table")


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([], "no object with a list of figures"),
        ({"figures": []}, "no figure"),
        ({"figures": [{"what": "x"}]}, "does not have exactly the keys"),
        ({"figures": [spread("x", [1.0]) | {"value": "1"}]}, "its value is no number"),
    ],
)
def test_a_document_that_breaks_the_protocol_is_refused_with_the_reason(document, said):
    assert said in complaints(document)[0]


def test_more_is_better_where_a_figure_says_so():
    assert is_met(spread("tokens/s", [0.96], aim=0.95, better="higher")) is True
    assert is_met(spread("tokens/s", [0.94], aim=0.95, better="higher")) is False
    assert is_met(spread("seconds", [3.0])) is None
    assert verdict(spread("seconds", [3.0], unit="s", aim=2.0)) == "at most 2 s: **missed**"


def test_an_entry_without_a_quick_form_and_without_a_reason_is_refused(folder):
    (folder / "programs.toml").write_text("[[programs]]\nname = 'x'\ntitle = 'x'\narguments = []\n")
    with pytest.raises(ValueError, match="why it has none"):
        read_programs(folder)
