"""The Python project that scikit-build-core makes an engine's wheel of: a pyproject.toml and a few small files."""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING

from pipeline import wheels
from pipeline.builders.wheel_naming import package_name, project_name, project_version

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipeline.model.wheel_record import WheelRecord

REQUIRES_PYTHON = ">=3.9"
_LAUNCHER = "launcher.py"


def write_project(folder: Path, record: WheelRecord, tree_dir: Path) -> None:
    """Write the project of an engine's wheel into an empty folder.

    Args:
        folder: of the project.
        record: what the wheel says of itself.
        tree_dir: the files under the names that ``record.installed`` gives them.
    """
    project = project_name(record.engine, record.accel)
    package = package_name(project)
    source = folder / package
    source.mkdir()
    (source / "__init__.py").write_text(_init(record), encoding="utf-8")
    (source / "__main__.py").write_text(_MAIN.format(package=package), encoding="utf-8")
    (source / _LAUNCHER).write_bytes(resources.files(wheels).joinpath(_LAUNCHER).read_bytes())
    document = json.dumps(record.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    (source / "engine.json").write_text(document, encoding="utf-8")
    (folder / "README.md").write_text(_readme(record, project), encoding="utf-8")
    (folder / "pyproject.toml").write_text(_pyproject(record, project, tree_dir), encoding="utf-8")


_MAIN = '''"""``python -m {package}``: what is installed; ``verify`` reads it again."""

import sys

from {package}.launcher import main

sys.exit(main(sys.argv[1:]))
'''


def _init(record: WheelRecord) -> str:
    lines = [
        f'"""{record.engine} {record.version} for {record.platform}, {record.accel}."""',
        "",
        "from __future__ import annotations",
        "",
        "from typing import NoReturn",
        "",
        "from .launcher import start",
    ]
    for number, program in enumerate(sorted(record.programs)):
        lines += ["", "", f"def program_{number}() -> NoReturn:", f'    """Become {program}."""']
        lines += [f"    start({program!r})"]
    return "\n".join(lines) + "\n"


def _pyproject(record: WheelRecord, project: str, tree_dir: Path) -> str:
    package = package_name(project)
    places = {(tree_dir / place).as_posix(): f"{package}/tree/{place}" for place in record.installed}
    scripts = {program: f"{package}:program_{number}" for number, program in enumerate(sorted(record.programs))}
    return "\n".join(
        [
            "[build-system]",
            'requires = ["scikit-build-core>=1.1"]',
            'build-backend = "scikit_build_core.build"',
            "",
            "[project]",
            f"name = {_text(project)}",
            f"version = {_text(project_version(record.version))}",
            f"description = {_text(f'{record.engine} {record.version} for {record.platform}, {record.accel}')}",
            'readme = "README.md"',
            f"requires-python = {_text(REQUIRES_PYTHON)}",
            f"license = {_text(license_expression(record.licenses))}",
            "license-files = []",
            "",
            "[project.scripts]",
            *_table(scripts),
            "",
            "[tool.scikit-build]",
            'minimum-version = "build-system.requires"',
            "wheel.cmake = false",
            "wheel.platlib = true",
            "wheel.reproducible = true",
            f"wheel.packages = [{_text(package)}]",
            'sdist.inclusion-mode = "manual"',
            "",
            "[tool.scikit-build.wheel.force-include]",
            *_table(places),
            "",
        ]
    )


def license_expression(licenses: tuple[str, ...]) -> str:
    """Return one SPDX expression for all of them: every one applies to some part."""
    parts = [f"({name})" if " " in name else name for name in sorted(set(licenses))]
    return " AND ".join(parts) if len(parts) != 1 else parts[0].strip("()")


def _table(values: Mapping[str, str]) -> list[str]:
    return [f"{_text(key)} = {_text(value)}" for key, value in values.items()]


def _text(value: str) -> str:
    """Return a TOML basic string; JSON's escapes are a subset of TOML's."""
    return json.dumps(value, ensure_ascii=True)


def _readme(record: WheelRecord, project: str) -> str:
    """Return the description that an index would show."""
    libraries = ", ".join(record.host_libraries) or "none"
    programs = ", ".join(sorted(record.programs))
    about = f"{record.engine} {record.version} for {record.platform}, {record.accel}"
    return (
        f"# {project}\n\n{about}, as it is in the bundle with sha256 {record.bundle_sha256}.\n\n"
        f"- programs: {programs}\n"
        f"- shared libraries that the host brings: {libraries}\n"
        f"- `python -m {package_name(project)} verify` reads every file again, against the bundle.\n"
    )
