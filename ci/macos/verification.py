"""Checks what only a Mac can show of an environment; see ci/verify_on_macos. Other engines: ``compiled``."""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ci.macos.report import Check, CheckFailedError, CheckSkippedError, Outcome, document, run_checks, table
from ci.macos.served import make_model, stream_answer
from ci.macos.targets import TARGET, whole_target
from pipeline.errors import PipelineError
from pipeline.system.binaries import FileInspector

PROJECT = Path(__file__).resolve().parents[2]
PLATFORM = ("Darwin", "arm64")
OLDER = "0.32.1"
EXIT_FAILED, EXIT_OTHER_SYSTEM = 10, 5
_SHOWN = 5


@dataclass
class Verification:
    """One run of the checks.

    Attributes:
        work_dir: for everything that is made.
        target: to install.
        repository: to install from; None builds and publishes one.
        trusted_root: of that repository.
        older: another version in that repository; None locks and publishes one, where the repository is this run's own.
        pipeline: how the command line is called.
        codesign: how signatures are checked; the file's path comes last.
        device: what a device must be called.
    """

    work_dir: Path
    target: str = TARGET
    repository: str | None = None
    trusted_root: Path | None = None
    older: str | None = None
    pipeline: tuple[str, ...] = (sys.executable, "-m", "pipeline")
    codesign: tuple[str, ...] = ("codesign", "--verify", "--strict")
    device: str = "^Metal: "
    trees: dict[str, Path] = field(default_factory=dict)
    health: dict[str, Any] = field(default_factory=dict)

    def checks(self) -> tuple[Check, ...]:
        """Return what is looked at, in order."""
        return (
            Check("repository", self.prepare),
            Check("install", lambda: self.install("engines"), ("repository",)),
            Check("device", self.see_device, ("install",)),
            Check("install below a space", lambda: self.install("My Engines/here"), ("repository",)),
            Check("signatures", self.check_signatures, ("install", "install below a space")),
            Check("streaming", self.stream, ("install",)),
            Check("files after use", self.verify_files, ("install", "streaming")),
            Check("rollback", self.roll_back, ("install",)),
        )

    def prepare(self) -> str:
        """Build the environment and publish it, unless a repository was given."""
        if self.repository is not None:
            return f"given: {self.repository}"
        home = self.work_dir / "publisher"
        for name in ("recipes", "envs"):
            shutil.copytree(PROJECT / name, home / name)
        self._call("keys", "init", "--no-passphrase", "--keys", home / "keys")
        self.trusted_root = home / "keys" / "root.json"
        version = self._publish(home, "newest", prove="run")
        self.repository = str(home / "repository")
        return f"built, proven at level run and published: {self.target} {version}"

    def _publish(self, home: Path, name: str, *, prove: str) -> str:
        recipes = {"ENGINE_PIPELINE_RECIPES": str(home / "recipes")}
        self._call("build", "--target", self.target, "--prove", prove, "--output", home / name, **recipes)
        kept = ("--keys", home / "keys", "--to", home / "repository", "--from", home / name)
        self._call("publish", "--allow-development", *kept)
        manifest = json.loads((home / name / "manifest.json").read_text(encoding="utf-8"))
        return str(manifest["artifacts"][0]["version"])

    def install(self, folder: str, *more: str) -> str:
        """Install, from a folder without the network, with a real answer before the switch."""
        root = self.work_dir / folder
        origin: list[str | Path] = ["--from", str(self.repository), "--root", root, "--health", "run"]
        if "://" not in str(self.repository):
            origin.append("--offline")
        trusted = ("--trusted-root", self.trusted_root) if self.trusted_root else ()
        outcome = self._json("install", self.target, *origin, *trusted, *more)
        self.trees[folder] = Path(outcome["path"])
        self.health = outcome["health"]
        tokens, ready = self.health["generated_tokens"], self.health["ready_seconds"]
        if not tokens:
            raise CheckFailedError(f"nothing was generated: {self.health}")
        return f"{outcome['version']}, {tokens} tokens, ready in {ready} s"

    def see_device(self) -> str:
        """See the device that a Mac's environment computes on."""
        devices = [str(name) for name in self.health["devices"]]
        if not any(re.search(self.device, name) for name in devices):
            raise CheckFailedError(f"no device like {self.device!r} among {', '.join(devices) or 'none'}")
        return ", ".join(devices)

    def check_signatures(self) -> str:
        """Have codesign look at every Mach-O file of every tree: linking has rewritten some of them."""
        looked, refused = 0, []
        for tree in self.trees.values():
            for path in binaries_below(tree):
                looked += 1
                done = subprocess.run([*self.codesign, path], capture_output=True, text=True, check=False)
                if done.returncode != 0:
                    refused.append(f"{path.relative_to(tree)}: {done.stderr.strip() or done.returncode}")
        if refused or not looked:
            raise CheckFailedError(f"{len(refused)} of {looked} files are refused\n" + "\n".join(refused[:_SHOWN]))
        return f"{looked} files"

    def stream(self) -> str:
        """Make a model with the installed environment, and stream an answer of it."""
        tree = self.trees["engines"]
        return stream_answer(tree, make_model(tree, self.work_dir / "model"))

    def verify_files(self) -> str:
        """See that using the environment has changed none of its files."""
        found = self._json("verify", self.work_dir / "engines")
        if found.get("ok") is not True:
            raise CheckFailedError(json.dumps(found)[:500])
        return "as installed"

    def roll_back(self) -> str:
        """Install an older version beside the current one, switch to it and back."""
        older = self.older or self._publish_older()
        self.install("engines", "--version", older)
        back = self._json("rollback", "--root", self.work_dir / "engines", "--health", "run")
        if back["version"] == older or not back["health"]["generated_tokens"]:
            raise CheckFailedError(f"after going back {back['version']} runs, generated {back['health']}")
        return f"{older} was installed, and {back['version']} runs again"

    def _publish_older(self) -> str:
        """Lock and publish an older version of the engine; only where the repository is this run's own."""
        home = self.work_dir / "publisher"
        if not home.is_dir():
            raise CheckSkippedError("the repository is not ours: say with --older which other version it has")
        asked = home / "envs" / "mlx" / "requirements.in"
        asked.write_text(with_version(asked.read_text(encoding="utf-8"), OLDER), encoding="utf-8")
        self._call("lock", "--env", "mlx", "--envs", home / "envs")
        return self._publish(home, "older", prove="none")

    def _json(self, *arguments: str | Path) -> dict[str, Any]:
        found = json.loads(self._call(*arguments, "--json"))
        if not isinstance(found, dict):
            raise CheckFailedError(f"{arguments[0]} said no JSON object")
        return found

    def _call(self, *arguments: str | Path, **variables: str) -> str:
        """Run a command of the pipeline; return its stdout.

        Raises:
            CheckFailedError: it failed; with what it said.
        """
        argv = [*self.pipeline, *map(str, arguments)]
        env = {**os.environ, **variables}
        done = subprocess.run(argv, cwd=self.work_dir, env=env, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise CheckFailedError(
                f"{arguments[0]} ended with exit code {done.returncode}: {done.stderr.strip()[-1500:]}"
            )
        return done.stdout


def binaries_below(folder: Path) -> list[Path]:
    """Return the Mach-O files below a folder that a loader sees: no links, no object files."""
    inspector = FileInspector()
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_file() or path.suffix in {".exe", ".dll", ".o", ".a"}:
            continue
        try:
            card = inspector.inspect(path)
        except PipelineError:
            found.append(path)  # codesign says what is wrong with it
            continue
        if card is not None and card.format == "macho" and not card.is_object:
            found.append(path)
    return found


def with_version(requirements: str, version: str) -> str:
    """Return requirements with another version of mlx-lm.

    Raises:
        CheckFailedError: they ask for none.
    """
    changed, count = re.subn(r"(?m)^mlx-lm==\S+", f"mlx-lm=={version}", requirements)
    if count != 1:
        raise CheckFailedError("requirements.in does not ask for one version of mlx-lm")
    return changed


def about_machine(target: str) -> dict[str, str]:
    """Return what the report says of the machine."""
    chip = subprocess.run(["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True, check=False)
    return {
        "target": target,
        "system": platform.system(),
        "macos": platform.mac_ver()[0],
        "machine": platform.machine(),
        "chip": chip.stdout.strip(),
        "python": platform.python_version(),
    }


def parse(arguments: list[str]) -> argparse.Namespace:
    """Return the options; a command line that makes no sense ends with exit code 2."""
    parser = argparse.ArgumentParser(prog="ci/verify_on_macos", description="Checks on a Mac what only a Mac can show.")
    parser.add_argument("--target", default=TARGET, help="what is checked (default: %(default)s)")
    parser.add_argument(
        "--dist", type=Path, metavar="DIR", help="what `build` wrote on another machine, of that target"
    )
    parser.add_argument("--model", type=Path, metavar="GGUF", help="model that is asked (default: the recipe's)")
    parser.add_argument(
        "--from", dest="repository", metavar="REPOSITORY", help="folder or url of a published repository"
    )
    parser.add_argument("--trusted-root", type=Path, help="root metadata of that repository")
    parser.add_argument("--older", metavar="VERSION", help="another version in that repository, to go back from")
    parser.add_argument("--report", type=Path, default=Path("verify_on_macos.json"))
    parser.add_argument("--keep", action="store_true", help="keep the temporary folder, and say where it is")
    options = parser.parse_args(arguments)
    options.target = whole_target(options.target, parser)
    if options.repository and options.trusted_root is None:
        parser.error("--from needs --trusted-root")
    if not options.repository and (options.trusted_root or options.older):
        parser.error("--trusted-root and --older need --from")
    if options.target == TARGET and (options.dist or options.model):
        parser.error("--dist and --model need --target of an engine that is compiled")
    if options.target != TARGET and options.repository:
        parser.error(f"--from is for {TARGET} alone: give --dist")
    if options.trusted_root is not None and not options.trusted_root.is_file():
        parser.error(f"{options.trusted_root} is no file")
    return options


def compiled_run(work_dir: Path, options: argparse.Namespace) -> Verification:
    """Return a run over an engine that is compiled."""
    from ci.macos.compiled import CompiledVerification  # noqa: PLC0415 - it is made of what is above

    dist, model = (path.resolve() if path else None for path in (options.dist, options.model))
    return CompiledVerification(work_dir, target=options.target, dist=dist, model=model)


def finish(outcomes: list[Outcome], report: Path, *, about: dict[str, str]) -> int:
    """Write the report, print the table; return the exit code."""
    found = document(outcomes, about=about)
    report.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(table(outcomes))
    for outcome in outcomes:
        if outcome.status == "FAIL" and "\n" in outcome.detail:
            print(f"\n{outcome.name}:\n{outcome.detail}")
    print(f"\n{'PASS' if found['ok'] else 'FAIL'}: the report is in {report}")
    return 0 if found["ok"] else EXIT_FAILED


def main(arguments: list[str] | None = None) -> int:
    """Check, and return the exit code."""
    options = parse(sys.argv[1:] if arguments is None else arguments)
    here = (platform.system(), platform.machine())
    if here != PLATFORM:
        print(
            f"error: this checks what only macOS on Apple silicon can show; this is {' on '.join(here)}",
            file=sys.stderr,
        )
        return EXIT_OTHER_SYSTEM
    work_dir = Path(tempfile.mkdtemp(prefix="verify-on-macos-")).resolve()
    trusted_root = options.trusted_root.resolve() if options.trusted_root else None
    repository = options.repository
    if repository and "://" not in repository:
        repository = str(Path(repository).resolve())
    run = Verification(work_dir, repository=repository, trusted_root=trusted_root, older=options.older)
    if options.target != TARGET:
        run = compiled_run(work_dir, options)
    try:
        outcomes = run_checks(run.checks(), tell=lambda text: print(text, file=sys.stderr))
        return finish(outcomes, options.report, about=about_machine(run.target))
    finally:
        if options.keep:
            print(f"kept: {work_dir}")
        else:
            shutil.rmtree(work_dir, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
