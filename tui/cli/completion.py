"""`twinstorm completion`: the words that make a shell complete ours."""

from __future__ import annotations

import click

from twinstorm.tui.cli.command import command
from twinstorm.tui.cli.talk import Talk


@command(click.Argument(["shell"], type=click.Choice(["bash", "zsh", "fish"]), help="Whose words to print."))
def completion(talk: Talk, shell: str) -> int:
    """Print a script that completes commands and options.

    \b
      eval "$(twinstorm completion bash)"                                          in ~/.bashrc
      eval "$(twinstorm completion zsh)"                                           in ~/.zshrc
      twinstorm completion fish > ~/.config/fish/completions/twinstorm.fish
    """
    from click.shell_completion import get_completion_class

    from twinstorm.tui.cli.main import app

    made = get_completion_class(shell)
    assert made is not None  # click knows the three that the argument allows
    talk.data(made(app, {}, "twinstorm", "_TWINSTORM_COMPLETE").source().strip())
    return 0
