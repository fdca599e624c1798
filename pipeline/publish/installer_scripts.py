"""The scripts themselves, rendered from ``manifests/templates``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.model.cpu_features import KERNEL_FEATURES
from pipeline.model.repository_layout import INSTALLER_FOLDER

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pipeline.model.installers import ScriptName
    from pipeline.model.revocation import Revocation
    from pipeline.publish.installer_offers import Offer, OfferedLayer

SHELL_SCRIPT: ScriptName = "install.sh"
POWERSHELL_SCRIPT: ScriptName = "install.ps1"
# PowerShell ends a quoted string at any of these (about_Quoting_Rules, "smart quotes").
_POWERSHELL_QUOTES = "'\u2018\u2019\u201a\u201b"


def render(
    name: str,
    *,
    templates_dir: Path,
    offers: Sequence[Offer],
    layers: Sequence[OfferedLayer],
    revoked: Sequence[Revocation],
    base_url: str,
    repository: str,
    trusted_root: str,
) -> bytes:
    """Return one script.

    Args:
        name: ``install.sh`` or ``install.ps1``.
        templates_dir: with ``<name>.j2``.
        offers: at least one, in the order in which they are tried.
        layers: that they need, each once.
        revoked: builds that the script does not go back to.
        base_url: where it downloads from; empty where it must be told.
        repository: id, empty for a dist folder.
        trusted_root: text of the root metadata to leave for later; empty for none.
    """
    template = _environment(templates_dir).get_template(f"{name}.j2")
    text = template.render(
        engines=list(dict.fromkeys(offer.engine for offer in offers)),
        offers=offers,
        layers=layers,
        revoked=revoked,
        base_url=base_url,
        repository=repository,
        made_from=f"the repository {repository}" if repository else "a dist folder that nobody signed",
        trusted_root=trusted_root if name == SHELL_SCRIPT or trusted_root.isascii() else "",
        rehearsal=any(offer.rehearsal for offer in offers),  # it then installs only when it is told that this is meant
        installer_folder=INSTALLER_FOLDER,
        features=tuple(KERNEL_FEATURES.items()),
    )
    return text.encode()


def quote_for_shell(value: object) -> str:
    """Return a word of POSIX sh that stands for exactly this text."""
    return "'" + str(value).replace("'", "'\\''") + "'"


def quote_for_powershell(value: object) -> str:
    """Return a string of PowerShell that stands for exactly this text."""
    return "'" + "".join(c * 2 if c in _POWERSHELL_QUOTES else c for c in str(value)) + "'"


def _in_ascii(text: str) -> str:
    """Return a text for people with escapes for what PowerShell 5 reads wrongly from a script."""
    return text.encode("ascii", "backslashreplace").decode()


def _environment(templates_dir: Path) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(templates_dir),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - no markup: every value is quoted by the filters below
        keep_trailing_newline=True,
        # Neither shell has these; jinja2's own stand in both.
        block_start_string="<%",
        block_end_string="%>",
        variable_start_string="<%=",
        variable_end_string="=%>",
        comment_start_string="<%#",
        comment_end_string="#%>",
        line_statement_prefix="#%",
    )
    environment.filters |= {"sh": quote_for_shell, "ps": quote_for_powershell, "ascii": _in_ascii}
    return environment
