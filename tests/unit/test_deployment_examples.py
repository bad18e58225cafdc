"""The Dockerfile, the systemd unit and the sidecar's YAML name files and options that there are."""

from __future__ import annotations

import fnmatch
import re
import shlex
from pathlib import Path

import click
import pytest

from gtdiag.cli.main import cli
from tests.environments import REPOSITORY

UNIT = REPOSITORY / "examples/systemd/gtdiag@.service"
SIDECAR = REPOSITORY / "examples/kubernetes/sidecar.yaml"
COMMAND = re.compile(r"gtdiag (watch|ps|snapshot) (.*?)(?:\'$|\||$)", re.MULTILINE)


@pytest.mark.parametrize("path", [UNIT, SIDECAR], ids=lambda path: path.name)
def test_the_commands_are_accepted(path: Path) -> None:
    text = "\n".join(line for line in path.read_text().splitlines() if not line.lstrip().startswith("#"))
    commands = COMMAND.findall(text)
    assert any(name == "watch" for name, _ in commands)
    for name, arguments in commands:
        # As a shell would hand it over.
        plain = re.sub(r'"\$\(.*?\)"', "1234", arguments).replace("$stem", "x")
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        command.make_context(name, shlex.split(plain))  # raises for an option that is not there


def test_what_the_dockerfile_copies_is_there_and_is_not_ignored() -> None:
    ignore = (REPOSITORY / ".dockerignore").read_text().split()
    assert ignore[0] == "*"
    let_in = [line[1:] for line in ignore if line.startswith("!")]
    copied = [
        source
        for line in (REPOSITORY / "Dockerfile").read_text().splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for source in line.split()[1:-1]
    ]
    assert "gtdiag" in copied
    for source in copied:
        assert (REPOSITORY / source).exists(), source
        assert any(fnmatch.fnmatch(source, pattern) for pattern in let_in), source


def test_the_sidecar_and_the_service_are_bounded() -> None:
    assert "MemoryMax=256M" in UNIT.read_text()
    assert "limits: {memory: 256Mi}" in SIDECAR.read_text()
    assert "shareProcessNamespace: true" in SIDECAR.read_text()
