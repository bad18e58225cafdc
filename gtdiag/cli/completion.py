"""`gtdiag completion`: the script that lets a shell complete gtdiag's command line."""

from __future__ import annotations

import click

from gtdiag.cli.output_file import write_standard_output
from gtdiag.errors import ExitCode

COMPLETE_VARIABLE = "_GTDIAG_COMPLETE"
"""By which the script asks gtdiag for words; click derives the same name from the program's."""

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS), metavar="SHELL")
def completion(shell: str) -> ExitCode:
    """Print the script that completes commands, options, kinds, formats and the pids of masters.

    SHELL is bash (4.4 or later), zsh or fish (3 or later). The script asks gtdiag itself, so it needs no renewal
    when gtdiag is upgraded.

    \b
    Examples:
      eval "$(gtdiag completion bash)"           in ~/.bashrc
      gtdiag completion bash > ~/.local/share/bash-completion/completions/gtdiag
      eval "$(gtdiag completion zsh)"            in ~/.zshrc, after compinit
      gtdiag completion fish > ~/.config/fish/completions/gtdiag.fish

    \b
    Exit codes: 0 printed, 2 wrong usage.
    """
    from click.shell_completion import ShellComplete, get_completion_class

    from gtdiag.cli.main import cli

    words = get_completion_class(shell)
    assert words is not None
    # Not the bash class's own source(): it runs bash to see its version, and the script may be for another machine.
    script = ShellComplete.source(words(cli, {}, "gtdiag", COMPLETE_VARIABLE))
    # click 8.1 to 8.5 let fish cut a word at each comma, and so a list of kinds and any description with one.
    script = script.replace('string split ","', 'string split --max 1 ","')
    write_standard_output(script + "\n")
    return ExitCode.NOTHING_FOUND
