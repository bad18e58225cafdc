"""What was mistyped is answered with what was meant: commands, options, choices."""

from __future__ import annotations

import pytest

from gtdiag.cli.main import run


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["wtach"], "No such command 'wtach'. Did you mean watch?"),
        (["snapshto", "12"], "No such command 'snapshto'. Did you mean snapshot?"),
        (["xyz"], "No such command 'xyz'.\n"),
        (["watch", "--intrval", "3"], "Did you mean '--interval'?"),
        (["analyze", "--format", "jsno", "x"], "Did you mean json?"),
        (["analyze", "--fail-on", "worker_timeuot", "x"], "'worker_timeuot' is no kind. Did you mean worker_timeout?"),
        (["compare", "--fail-on", "betr", "x", "y"], "Did you mean better?"),
    ],
)
def test_what_was_meant(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2
    assert said in capsys.readouterr().err
