"""``mirror``: repositories for machines with no network."""

from __future__ import annotations

import importlib

import click

from pipeline.cli.options import Group, add_common_options

SUBCOMMANDS: dict[str, str] = {
    "create": "mirror_create",
    "sync": "mirror_sync",
    "verify": "mirror_verify",
    "du": "mirror_du",
    "seal": "mirror_seal",
    "export": "mirror_export",
    "import": "mirror_import",
    "serve": "mirror_serve",
    "drill": "mirror_drill",
}
"""Name to module of this folder, in the order of the help; a module is imported when its command is used."""


class _MirrorGroup(Group):
    """A group whose commands are imported one at a time."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names in their order."""
        return list(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import a command."""
        if cmd_name not in SUBCOMMANDS:
            return None
        command: click.Command = importlib.import_module(f"pipeline.cli.commands.{SUBCOMMANDS[cmd_name]}").command
        return command


@click.group("mirror", cls=_MirrorGroup)
@add_common_options
def command(**_values: object) -> None:
    """Hold a verified part of a repository for machines with no network."""
