"""``completion``: the script that completes commands in a shell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.shell_completion import get_completion_class

from pipeline.app.settings import INSTALLED_NAME
from pipeline.cli.main import COMPLETE_VARIABLE
from pipeline.cli.main import pipeline as group
from pipeline.cli.options import Command, common_options

if TYPE_CHECKING:
    from pipeline.cli.session import Session

# click's script for zsh looks the program up in $PATH, where a path such as ./ci/pipeline never is.
_ZSH_LOOKUP = "    (( ! $+commands[%(prog_name)s] )) && return 1\n"


@click.command("completion", cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish", "powershell"]), help="The shell.")
@click.option("--for", "program", default=INSTALLED_NAME, show_default=True, help="The program as you type it.")
@common_options
def command(session: Session, shell: str, program: str) -> None:
    """Print the script that completes commands, options and targets in SHELL.

    \b
    Install it once:
      bash  engine-pipeline completion bash > ~/.local/share/bash-completion/completions/engine-pipeline
      zsh   engine-pipeline completion zsh > "${fpath[1]}/_engine-pipeline"
      fish  engine-pipeline completion fish > ~/.config/fish/completions/engine-pipeline.fish
    In a checkout, for the shell you are in:
      eval "$(./ci/pipeline completion bash --for ./ci/pipeline)"
    """  # noqa: D301 - click reads the backspace as "do not wrap this paragraph"
    kind = get_completion_class(shell)
    if kind is None:
        raise click.BadParameter(f"click knows no completion for {shell}", param_hint="SHELL")
    completion = kind(group, {}, program, COMPLETE_VARIABLE)
    template = completion.source_template
    if "/" in program:
        template = template.replace(_ZSH_LOOKUP, "")
    script = template % completion.source_vars()
    session.show({"shell": shell, "program": program, "script": script}, lambda: script)
