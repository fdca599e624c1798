"""The options that say what to build: ``plan`` and ``build`` take the same."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from pipeline.app.project import version
from pipeline.app.settings import Flags, load_settings
from pipeline.catalog import Catalog, load
from pipeline.cli.gpu_options import architectures_asked, refuse_what_nothing_takes, toolkit_asked
from pipeline.cli.options import gathered_options
from pipeline.errors import UsageError
from pipeline.model.manifest import ProofLevel
from pipeline.model.source import LocalTree
from pipeline.plan import BuildRequest, find_toolkits, narrow
from pipeline.plan.request import SourceChoice
from pipeline.plan.toolchains import TOOLCHAIN_CHOICES
from pipeline.target_names import select_targets

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from pipeline.app.settings import Settings
    from pipeline.cli.session import Session
    from pipeline.ports import HostProbe


def _complete_target(_ctx: click.Context, _option: click.Parameter, incomplete: str) -> list[str | CompletionItem]:
    before, comma, last = incomplete.rpartition(",")
    names = [
        name for target in load(load_settings(Flags()).recipes_dir).targets() for name in (target.short, str(target))
    ]
    return [f"{before}{comma}{name}" for name in names if name.startswith(last)]


_OPTIONS = (
    click.option(
        "--target",
        "-t",
        "targets",
        multiple=True,
        metavar="T",
        shell_complete=_complete_target,
        help="What to make: a target, a glob ('linux-*'), several with commas; may be repeated.  [required, but for a "
        "rehearsal, which is of everything]",
    ),
    click.option(
        "--release",
        metavar="R",
        help="Pinned release of upstream's.  [default: the recipe's, or the newest that has the target]",
    ),
    click.option(
        "--source",
        type=click.Choice(get_args(SourceChoice)),
        default="auto",
        show_default=True,
        help="Fetch upstream's archives, build its source, or fetch what is pinned and reachable and else build.",
    ),
    click.option(
        "--prove",
        type=click.Choice(get_args(ProofLevel)),
        help="How much to prove: that libraries resolve, without running anything (none); also that it starts "
        "(load); also that it generates (run).  [default: all that this machine can, and says what it cannot]",
    ),
    click.option(
        "--model",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="GGUF file for the proof.  [default: the recipe's model]",
    ),
    click.option("--web-ui/--no-web-ui", default=None, help="Build the web interface in.  [default: the recipe's]"),
    click.option(
        "--cmake-option",
        "cmake_options",
        multiple=True,
        metavar="NAME=VALUE",
        help="CMake cache entry of your own; the manifest records it. May be repeated.",
    ),
    click.option(
        "--base",
        metavar="ACCEL",
        help="Builds for a GPU: the backend of the processor that goes with it, for example avx2, which is smaller.  "
        "[default: the recipe's]",
    ),
    click.option(
        "--toolchain",
        default="auto",
        show_default=True,
        metavar="auto|native|NAME",
        help="What compiles: the machine's own compiler for its own platform and a toolchain for others; only the "
        "first; or one of recipes/toolchains (zig), which gives an old glibc floor on Linux too.",
    ),
    click.option(
        "--toolkit",
        default="auto",
        show_default=True,
        metavar="auto|system|packaged|FOLDER",
        help="What compiles for a GPU: the system's toolkit where it is whole and of the target's version, and else "
        "packages; only one of these; or one folder.",
    ),
    click.option(
        "--architectures",
        default="release",
        show_default=True,
        metavar="release|short|LIST",
        help="GPUs to compile for: all of the recipe's, a few to try, or names with commas (sm_89,compute_90).",
    ),
    click.option(
        "--wheels-only",
        is_flag=True,
        help="Environments: leave the conda packages out; a Python of the machine that it goes to is used.",
    ),
    click.option(
        "--with-miniforge",
        is_flag=True,
        help="Environments: put Miniforge's installer into the bundle, for machines that have neither this program nor "
        "a conda.",
    ),
    click.option(
        "--rehearsal",
        is_flag=True,
        help="Make bundles with no engine in them, for any platform, to try a release out; they are marked, and only "
        "taken where a rehearsal is asked for.",
    ),
    click.option(
        "--from-mirror",
        "from_mirror",
        multiple=True,
        metavar="URL_OR_DIR",
        help="Ask for every file there first, by its name: before upstream, channels and the package index. May be "
        "repeated.",
    ),
)


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """The options as they were given."""

    targets: tuple[str, ...]
    release: str | None
    source: SourceChoice
    prove: ProofLevel | None
    model: Path | None
    web_ui: bool | None
    cmake_options: tuple[str, ...]
    base: str | None
    toolchain: str
    toolkit: str
    architectures: str
    wheels_only: bool
    with_miniforge: bool
    rehearsal: bool
    from_mirror: tuple[str, ...]


build_options = gathered_options(_OPTIONS, BuildOptions)


def with_mirrors(settings: Settings, asked: BuildOptions) -> Settings:
    """Return the settings with the mirrors of the options first.

    Raises:
        UsageError: one is neither a url nor a folder.
    """
    for place in asked.from_mirror:
        if "://" not in place and not Path(place).is_dir():
            raise UsageError(f"--from-mirror {place}: there is no such folder", hint="give a folder, or a url")
    places = tuple(place if "://" in place else str(Path(place).absolute()) for place in asked.from_mirror)
    return replace(settings, mirrors=(*places, *settings.mirrors))


def make_request(asked: BuildOptions, settings: Settings, catalog: Catalog) -> BuildRequest:
    """Return what the options ask for.

    Raises:
        UsageError: a target, a release or an option makes no sense, or --locked meets what no digest pins.
        NothingSelectedError: a target is one that cannot be made at all.
    """
    patterns = _patterns(asked)
    catalog.refuse_unsupported(patterns)
    given = dict(_name_and_value(text) for text in asked.cmake_options)
    request = BuildRequest(
        targets=select_targets(patterns, catalog.targets()),
        patterns=patterns,
        release=asked.release or settings.release,
        release_is_default=asked.release is None,
        prove=asked.prove,
        model_file=asked.model.absolute() if asked.model else None,
        web_ui=asked.web_ui,
        source=asked.source,
        epoch_seconds=settings.epoch_seconds,
        cmake_options={**settings.cmake_options, **given},
        insisted_options=frozenset(given),
        base=asked.base,
        toolchain=_toolchain(asked.toolchain, catalog),
        toolkit=toolkit_asked(asked.toolkit),
        architectures=architectures_asked(asked.architectures),
        wheels_only=asked.wheels_only,
        with_miniforge=asked.with_miniforge,
        builder_version=version(),
        rehearsal=asked.rehearsal,
    )
    refuse_what_nothing_takes(request, catalog)
    if settings.locked:
        _require_locked(request, catalog)
    return request


def _patterns(asked: BuildOptions) -> tuple[str, ...]:
    """Return what the targets were named by.

    Raises:
        UsageError: nothing was named; or a rehearsal shall prove something.
    """
    if asked.rehearsal and (asked.prove in {"load", "run"} or asked.model):
        raise UsageError(
            "a rehearsal proves nothing: there is no engine in it", hint="leave --prove and --model out of it"
        )
    if not asked.targets and not asked.rehearsal:
        raise UsageError(
            "what to make is not said: --target is missing",
            hint="`targets` lists what can be made; with --rehearsal it is everything",
        )
    return asked.targets or ("*",)


def without_unmakeable(
    session: Session, request: BuildRequest, catalog: Catalog, *, host: HostProbe | None
) -> BuildRequest:
    """Return the request without what only a glob took and what cannot be made as asked; a warning says of each why.

    Without a host every target is made on a machine of its own platform, which has what it needs.

    Raises:
        PipelineError: as ``plan.narrow``.
    """
    if host is None:
        narrowed, left_out = narrow(request, catalog, platform=None)
    else:
        _, no_toolkit = find_toolkits(request, catalog, host)
        narrowed, left_out = narrow(request, catalog, platform=host.facts().platform, no_toolkit=no_toolkit)
    for one in left_out:
        session.warn(str(one))
    return narrowed


def _name_and_value(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise UsageError(f"--cmake-option {text!r} is not NAME=VALUE", hint="for example --cmake-option GGML_LTO=ON")
    return name.removeprefix("-D"), value


def _toolchain(asked: str, catalog: Catalog) -> str:
    """Return the choice of a compiler; a name must be a recipe's."""
    choices = (*TOOLCHAIN_CHOICES, *catalog.toolchains)
    if asked not in choices:
        raise UsageError(f"--toolchain {asked}: there is no such toolchain", hint=f"there are {', '.join(choices)}")
    return asked


def _require_locked(request: BuildRequest, catalog: Catalog) -> None:
    for engine in dict.fromkeys(target.engine for target in request.targets):
        if engine in catalog.environments:  # every one of its packages is pinned by a digest
            continue
        wanted = request.release or catalog.engine(engine).default_release
        pin = next((pin for pin in catalog.engine(engine).releases if pin.version == wanted), None)
        if pin is not None and isinstance(pin.source, LocalTree):
            raise UsageError(
                f"{engine} {pin.version} is a folder of this machine, which no digest pins",
                hint="leave --locked out, or build a release whose source is pinned",
            )
    if request.cmake_options:
        raise UsageError(
            f"--locked allows no CMake options beside the recipe's: {', '.join(sorted(request.cmake_options))}",
            hint="leave --locked out, or put the options into the recipe",
        )
