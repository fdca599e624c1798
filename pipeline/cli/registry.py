"""Every command: its section of the help, its module, and one line about it. Nothing is imported to list them."""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """One command.

    Attributes:
        section: heading it stands under in the help.
        module: below ``pipeline.cli.commands``; it has the click command as ``command``.
        help: one line.
    """

    section: str
    module: str
    help: str


_MAKE, _PUBLISH, _MIRROR, _INSTALL, _LOOK = "Make", "Publish", "Mirror", "Install", "Look and check"

COMMANDS: dict[str, Entry] = {
    "targets": Entry(_MAKE, "targets", "List what can be made, here and elsewhere."),
    "plan": Entry(_MAKE, "plan", "Show the steps of a build, and do nothing."),
    "build": Entry(_MAKE, "build", "Make bundles: source, compile, layers, proof, manifest."),
    "lock": Entry(_MAKE, "lock", "Solve environments anew, and replace their lock files."),
    "wheel": Entry(_MAKE, "wheel", "Make wheels of bundles and engines, and pin those of indexes."),
    "keys": Entry(_PUBLISH, "keys", "Make, change and look at the keys that sign a repository."),
    "merge": Entry(_PUBLISH, "merge", "Join dist folders of many machines into one."),
    "publish": Entry(_PUBLISH, "publish", "Add bundles to a signed repository."),
    "refresh": Entry(_PUBLISH, "refresh", "Sign again what ends soon; for a scheduled job."),
    "revoke": Entry(_PUBLISH, "revoke", "Publish that a build must not run any more."),
    "sign": Entry(_PUBLISH, "sign", "Add a holder's signature to a root or a policy."),
    "mirror": Entry(_MIRROR, "mirror", "Hold a verified part of a repository where there is no network."),
    "generate": Entry(_PUBLISH, "generate", "Make installers that need no Python, and workflows for CI."),
    "select": Entry(_INSTALL, "select", "Choose the variant that fits a host best."),
    "explain": Entry(_INSTALL, "explain", "Show why each variant fits a host or does not."),
    "install": Entry(_INSTALL, "install", "Install or update an engine from a repository."),
    "list": Entry(_INSTALL, "list", "List what is installed."),
    "use": Entry(_INSTALL, "use", "Switch to an installed generation."),
    "rollback": Entry(_INSTALL, "rollback", "Switch back to the generation before."),
    "uninstall": Entry(_INSTALL, "uninstall", "Remove an engine."),
    "gc": Entry(_INSTALL, "gc", "Remove what no kept generation needs."),
    "verify": Entry(_INSTALL, "verify", "Read every file again and compare it with what was signed."),
    "unpack": Entry(_INSTALL, "unpack", "Unpack an archive as an install would, or refuse it."),
    "upstream": Entry(_LOOK, "upstream", "Understand upstream's releases: what they hold, what changed."),
    "report": Entry(_LOOK, "report", "Write what bundles cost, in pictures and numbers."),
    "bench": Entry(_LOOK, "bench", "Measure what strategies of getting an engine to a user cost."),
    "doctor": Entry(_LOOK, "doctor", "Look at this machine: tools, space, caches."),
    "check": Entry(_LOOK, "check", "Check the recipes and the project file."),
    "schema": Entry(_LOOK, "schema", "Print a JSON schema."),
    "completion": Entry(_LOOK, "completion", "Print the script that completes commands in a shell."),
}
