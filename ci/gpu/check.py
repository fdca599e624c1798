"""Runs a GPU's bundle beside the processor's on this machine, and writes down what came of it; see ci/gpu_check."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ci.gpu.report import Measured, Report, markdown
from pipeline.app.services import build_services, host
from pipeline.app.settings import Flags, load_settings
from pipeline.catalog import load
from pipeline.errors import HostError, PipelineError, ProofError, UsageError
from pipeline.make.fetch import fetch_model
from pipeline.model.actions import FetchModel
from pipeline.model.manifest import Artifact, Manifest
from pipeline.names import family_of
from pipeline.proofs.programs import check_loads, clean_environment
from pipeline.proofs.serving import generate

_BENCH_SECONDS = 1800
_WHOLE, _QUICK = (256, 64, 3), (16, 8, 1)
_PROCESSORS = ("cpu", "avx2")


@dataclass
class Asked:
    """The command line.

    Attributes:
        dist: folder with ``manifest.json`` and bundles.
        target: of the GPU; None where the dist has one alone.
        against: of the processor; None likewise.
        model: a GGUF file; None for the engine's recipe's.
        environment: variables for the GPU's programs, beside none of the caller's.
        is_quick: whether a few tokens are enough, to see that it runs at all.
    """

    dist: Path
    target: str | None
    against: str | None
    model: Path | None
    environment: dict[str, str] = field(default_factory=dict)
    is_quick: bool = False


def check(asked: Asked, work: Path) -> Report:
    """Run both bundles.

    Raises:
        UsageError: the dist cannot be read.
        HostError: it has no such bundle.
        ProofError: a device is missing, or nothing is generated.
    """
    manifest = _manifest(asked.dist)
    gpu = _pick(manifest, asked.target, is_gpu=True)
    processor = _pick(manifest, asked.against, is_gpu=False)
    settings = load_settings(Flags())
    with build_services(settings) as services:
        model = asked.model or _recipes_model(gpu.engine, settings.recipes_dir, services, work)
        measured = []
        for artifact, environment in ((gpu, asked.environment), (processor, {})):
            if artifact.health is None:
                raise HostError(f"{artifact.target} does not say how it is checked", hint="build it again")
            root = _unpack(asked.dist / artifact.url, work / artifact.accel)
            env = {**clean_environment(work, services.base_env), **environment}
            loaded = check_loads(artifact.health, root, commands=services.commands, env=env, cwd=work)
            made = generate(
                artifact.health, root=root, model=model, services=services, env=env, cwd=work, step=str(artifact.target)
            )
            lengths = _QUICK if asked.is_quick else _WHOLE
            prompt, generated = _bench(root, model, env, layers=99 if artifact is gpu else 0, lengths=lengths)
            measured.append(
                Measured(
                    target=str(artifact.target),
                    version=artifact.version,
                    sha256=artifact.sha256,
                    devices=loaded.devices,
                    text=made.text,
                    prompt_per_second=prompt,
                    generated_per_second=generated,
                    ready_seconds=made.ready_seconds,
                )
            )
    facts = host(settings).survey()
    return Report(
        date=datetime.now(UTC).strftime("%Y-%m-%d"),
        system=facts.system,
        gpus=facts.gpus(),
        driver=facts.nvidia_driver,
        model=model.name,
        gpu=measured[0],
        processor=measured[1],
    )


def require_ratio(report: Report, at_least: float | None) -> None:
    """Refuse a GPU that is not as much faster as it was to be.

    Raises:
        ProofError: it is not; the figures are named.
    """
    if at_least is not None and report.ratio < at_least:
        raise ProofError(
            f"{report.gpu.target} generates {report.ratio:.2f} times as fast as {report.processor.target},"
            f" not {at_least}",
            hint="is the model on the GPU at all? look at the server's output",
        )


def _manifest(dist: Path) -> Manifest:
    try:
        return Manifest.model_validate_json((dist / "manifest.json").read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(f"{dist} is no folder that `build` wrote: {error}", hint="name it with --dist") from error


def _pick(manifest: Manifest, wanted: str | None, *, is_gpu: bool) -> Artifact:
    """Return the artifact of a target, or the only one of its sort."""
    sort = "a GPU" if is_gpu else "the processor"
    fitting = [a for a in manifest.artifacts if (family_of(a.accel) not in _PROCESSORS) == is_gpu]
    named = [a for a in fitting if wanted is None or wanted in {str(a.target), f"{a.platform}-{a.accel}"}]
    if len(named) != 1:
        there = ", ".join(str(a.target) for a in fitting) or "none"
        which = f"{wanted} is not" if wanted else f"not exactly one for {sort} is"
        raise HostError(f"{which} in the manifest, which has for {sort}: {there}", hint="build it, or name one")
    return named[0]


def _recipes_model(engine: str, recipes_dir: Path, services: Any, work: Path) -> Path:  # noqa: ANN401 - ports.Services
    """Bring the model that the engine is proven with."""
    catalog = load(recipes_dir)
    recipe = catalog.models[catalog.engine(engine).proof.model]
    blob = fetch_model(FetchModel(model=recipe), "model", services, work).blobs["model"]
    path = work / blob.filename
    services.store.copy_blob(blob, path)
    return path


def _unpack(archive: Path, folder: Path) -> Path:
    argv = (sys.executable, "-m", "pipeline", "unpack", str(archive), "--to", str(folder), "--quiet")
    outcome = subprocess.run(argv, capture_output=True, text=True, check=False)
    if outcome.returncode != 0:
        raise ProofError(f"{archive} cannot be unpacked: {outcome.stderr.strip()}", hint="build it again")
    return folder


def _bench(
    root: Path, model: Path, env: dict[str, str], *, layers: int, lengths: tuple[int, int, int]
) -> tuple[float, float]:
    """Return tokens/s of reading a prompt and of generating, as llama-bench has them."""
    program = shutil.which("llama-bench", path=root / "bin")
    if program is None:
        raise ProofError(f"{root} has no llama-bench", hint="it is not a bundle of llama.cpp")
    prompt, generated, repeats = lengths
    argv = [program, "-m", str(model), "-p", str(prompt), "-n", str(generated), "-r", str(repeats)]
    argv += ["-ngl", str(layers), "-t", str(min(os.cpu_count() or 1, 8)), "-o", "json"]
    try:
        outcome = subprocess.run(argv, capture_output=True, text=True, check=False, env=env, timeout=_BENCH_SECONDS)
        rows = json.loads(outcome.stdout)
    except (subprocess.TimeoutExpired, ValueError) as error:
        raise ProofError(f"llama-bench gave no figures: {error}", hint="run it by hand") from error
    speeds = {row["n_gen"] > 0: float(row["avg_ts"]) for row in rows}
    return speeds[False], speeds[True]


def main(arguments: list[str] | None = None) -> int:
    """Parse, check, write."""
    parser = argparse.ArgumentParser(prog="ci/gpu_check", description=__doc__)
    parser.add_argument("--dist", type=Path, default=Path("dist"))
    parser.add_argument("--target")
    parser.add_argument("--against")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--environment", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--at-least", type=float)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--report", type=Path)
    parser.add_argument("--markdown", type=Path)
    given = parser.parse_args(arguments)
    wrong = [text for text in given.environment if not re.fullmatch(r"\w+=.*", text)]
    if wrong:
        parser.error(f"--environment {wrong[0]!r} is not NAME=VALUE")
    environment = dict(text.split("=", 1) for text in given.environment)
    asked = Asked(given.dist, given.target, given.against, given.model, environment, given.quick)
    try:
        with tempfile.TemporaryDirectory(prefix="gpu-check-") as folder:
            report = check(asked, Path(folder))
        require_ratio(report, given.at_least)
    except PipelineError as error:
        print(f"error: {error.message}\nnext:  {error.hint}", file=sys.stderr)
        return error.exit_code
    text = markdown(report)
    print(text)
    if given.report:
        given.report.write_text(json.dumps(report.document(), indent=2) + "\n", encoding="utf-8")
    if given.markdown:
        given.markdown.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
