"""Where the project's own files are: beside the package in a checkout, inside it when it is installed."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
_CHECKOUT = _PACKAGE.parent


def shipped_recipes_dir() -> Path:
    """Return the folder with ``engines/``, ``accelerators/`` and ``models/``."""
    return _data_dir("recipes")


def manifests_dir() -> Path:
    """Return the folder with ``schema/`` and ``keys/``."""
    return _data_dir("manifests")


def package_dir() -> Path:
    """Return the folder that an interpreter must look in to find this package."""
    return _CHECKOUT


def installer_lock() -> Path:
    """Return the hashed requirements of what an installation of this project needs."""
    installed = _PACKAGE / "data" / "requirements"
    return (installed if installed.is_dir() else _CHECKOUT / "ci" / "requirements") / "installer.txt"


def checkout_dir() -> Path | None:
    """Return the checkout that runs, None where the project is installed."""
    return _CHECKOUT if (_CHECKOUT / "pyproject.toml").is_file() else None


def version() -> str:
    """Return this project's version."""
    project = _CHECKOUT / "pyproject.toml"
    if project.is_file():
        import tomllib

        return str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"])
    from importlib.metadata import version as installed_version

    return installed_version("engine-pipeline")


def _data_dir(name: str) -> Path:
    installed = _PACKAGE / "data" / name
    return installed if installed.is_dir() else _CHECKOUT / name
