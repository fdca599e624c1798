"""The scripts as text, rendered for an example: every shell reads them, nothing in them is of one shell alone."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import tree_sitter
import tree_sitter_powershell

from pipeline.app.project import manifests_dir
from pipeline.model.installers import GzipArchive
from pipeline.model.revocation import Revocation
from pipeline.publish.installer_offers import Offer, OfferedLayer
from pipeline.publish.installer_scripts import render

DIGEST = "0123456789abcdef" * 4
NASTY = 'it\'s "$(id)" `id` $HOME \\ \n#% <%= x =%> {{ x }} \u2018end\u2019'


def example(platform: str, *, nasty: str) -> tuple[list[Offer], list[OfferedLayer]]:
    offers = [
        Offer(
            number=number,
            target=f"llama.cpp/{platform}-{accel}",
            engine="llama.cpp",
            platform=platform,
            accel=accel,
            version="b11434",
            sha256=DIGEST,
            tree_sha256=DIGEST,
            layers=(DIGEST,),
            glibc="2.34",
            macos="",
            windows="10.0",
            cpu=("avx2",),
            driver="",
            programs=(("llama-server", "bin/llama-server"),),
            health_program="bin/llama-server" if number == 1 else "",
            health_args=("--version", nasty),
            health_pattern=nasty,
            portable_pattern=nasty,
            record=(nasty, "a", "b", "c"),
        )
        for number, accel in enumerate(("cpu", "vulkan"), start=1)
    ]
    gzip = GzipArchive(layer=DIGEST, sha256=DIGEST, size=1)
    layer = OfferedLayer(DIGEST, "core", 5, DIGEST, 9, "blobs/01/x", gzip, document=nasty)
    return offers, [layer]


def rendered(name: str, folder: Path, nasty: str = NASTY) -> Path:
    offers, layers = example("windows-x86_64" if name == "install.ps1" else "linux-x86_64", nasty=nasty)
    build = Revocation(
        target="llama.cpp/linux-x86_64-cpu", version="b1", sha256=DIGEST, reason=nasty.replace("\n", " "),
        revoked_at="2026-11-25T12:00:00Z",
    )  # fmt: skip
    text = render(
        name,
        templates_dir=manifests_dir() / "templates",
        offers=offers,
        layers=layers,
        revoked=[build],
        base_url="https://mirror.example.com",
        repository="cafe",
        trusted_root="{}\n",
    )
    path = folder / name
    path.write_bytes(text)
    return path


@pytest.mark.parametrize("shell", ["sh", "dash", "bash", "busybox ash", "bash --posix"])
def test_every_shell_reads_the_script(shell, tmp_path):
    if shutil.which(shell.split()[0]) is None:
        pytest.skip(f"no {shell}")
    done = subprocess.run([*shell.split(), "-n", rendered("install.sh", tmp_path)], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_values_come_out_of_the_script_as_they_went_in(shell, tmp_path):
    script = rendered("install.sh", tmp_path)
    text = script.read_text().replace('\nmain "$@"\n', f"\nlayer_list {DIGEST}\n")
    done = subprocess.run([shell, "-c", text], capture_output=True, check=True, text=True)
    assert done.stdout == NASTY


def test_shellcheck_has_nothing_to_say(tmp_path):
    program = shutil.which("shellcheck")
    if program is None:
        pytest.skip("no shellcheck")
    script = rendered("install.sh", tmp_path, nasty="plain")
    done = subprocess.run([program, "-s", "sh", script], capture_output=True, check=False, text=True)
    assert done.stdout == ""


@pytest.mark.parametrize(
    "bashism",
    [
        r"\[\[", r"\blocal\b", r"<<<", r"\bfunction\s+\w", r"\$'", r"\bdeclare\b", r"==", r"&>", r"\becho -[en]\b",
        r"\beval\b", r"<<[A-Z-]", r"\bsource\s+/", r"\bmktemp\b", r"/tmp", r"\bpushd\b", r"\$RANDOM", r"<\(",
    ],
)  # fmt: skip
def test_the_template_has_nothing_that_posix_has_not(bashism):
    text = (manifests_dir() / "templates" / "install.sh.j2").read_text()
    code = re.sub(r"(?m)^\s*#.*$|<%=.*?=%>|<%.*?%>", "", text)
    assert re.findall(rf".*{bashism}.*", code) == []


def problems(node: tree_sitter.Node) -> list[str]:
    found = [f"line {node.start_point[0] + 1}"] if node.is_error or node.is_missing else []
    return found + [problem for child in node.children for problem in problems(child)]


def test_the_powershell_script_follows_the_grammar(tmp_path):
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_powershell.language()))
    script = rendered("install.ps1", tmp_path)
    assert problems(parser.parse(script.read_bytes()).root_node) == []
    assert problems(parser.parse(script.read_bytes() + b"\nif (\n").root_node) != []


def test_the_powershell_script_calls_only_what_it_has_or_windows_has(tmp_path):
    text = rendered("install.ps1", tmp_path, nasty="plain").read_text()
    code = re.sub(r"(?ms)^\s*#.*?$|@'\n.*?\n'@|'(?:[^']|'')*'", "''", text)
    own = set(re.findall(r"(?m)^function ([A-Z]\w*-\w+)", text))
    called = set(re.findall(r"(?<![\w.$-])([A-Z]\w+-[A-Z]\w+)", code))
    stock = {
        "Get-FileHash", "Get-Item", "Get-ChildItem", "Get-Command", "Join-Path", "Test-Path", "New-Object", "New-Item",
        "Remove-Item", "ConvertFrom-Json", "Where-Object", "ForEach-Object", "Select-Object", "Sort-Object",
        "Measure-Object", "Start-Sleep", "Invoke-WebRequest", "Write-Output", "Set-StrictMode",
    }  # fmt: skip
    assert called - own - stock == set()
    assert own - called == set()


def test_powershell_of_windows_itself_is_enough(tmp_path):
    code = re.sub(r"(?m)^\s*#.*$", "", (manifests_dir() / "templates" / "install.ps1.j2").read_text())
    for newer in (r"\?\?", r"\?\.", r" && ", r" \|\| ", r"-Parallel", r"\? .* : ", r"Get-FileHash.*-Encoding"):
        assert re.findall(newer, code) == []
