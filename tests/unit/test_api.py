"""`import gtdiag` is cheap and lazy; docs/api.md says what is true; the types hold for a strict reader."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

import gtdiag
from gtdiag.api.reports import report_of
from gtdiag.cli.observation import Observation
from gtdiag.errors import LogReadError
from tests.documented_code import CodeBlock, read_blocks
from tests.environments import REPOSITORY

LOG = REPOSITORY / "fixtures" / "logs" / "sync-23.0.0-timeout-urllib" / "log.txt"


def test_the_import_loads_nothing_else() -> None:
    probe = "import sys; before = set(sys.modules); import gtdiag; print(sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['gtdiag']"


def test_the_stub_says_what_the_package_has() -> None:
    stub = (REPOSITORY / "gtdiag" / "__init__.pyi").read_text()
    typed = {name: module for module, name in re.findall(r"^from (\S+) import \w+ as (\w+)$", stub, re.MULTILINE)}
    assert {*typed, "__version__"} == set(gtdiag.__all__)
    for name in typed:
        value = getattr(gtdiag, name)
        assert value is getattr(sys.modules[typed[name]], name)
    assert set(gtdiag.__all__) <= set(dir(gtdiag))
    with pytest.raises(AttributeError, match="no attribute 'anaylze'"):
        _ = gtdiag.anaylze  # type: ignore[attr-defined]


@pytest.mark.parametrize("block", [block for block in read_blocks("api.md") if not block.live])
def test_a_block_of_the_documentation(
    block: CodeBlock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(LOG, tmp_path / "gunicorn.log")
    monkeypatch.chdir(tmp_path)
    exec(compile(block.code, "docs/api.md", "exec"), {})
    assert block.output is None or capsys.readouterr().out == block.output


def test_the_documented_code_is_typed_for_a_strict_reader(tmp_path: Path) -> None:
    program = "\n".join(
        f"def block_{n}(PID: int) -> None:\n" + re.sub("^(?=.)", "    ", block.code, flags=re.MULTILINE)
        for n, block in enumerate(read_blocks("api.md"))
    )
    (tmp_path / "program.py").write_text(
        program + "    reveal_type(gtdiag.analyze)\n    reveal_type(gtdiag.watch(PID, for_s=1))\n"
    )
    environment = {**os.environ, "MYPYPATH": "", "PYTHONPATH": ""}
    cache = os.fspath(REPOSITORY / ".mypy_cache")
    found = subprocess.run(
        # Not from the checkout's folder and without its configuration: as somebody else's project reads the types.
        [sys.executable, "-m", "mypy", "--strict", "--config-file", os.devnull, "--cache-dir", cache, "program.py"],
        cwd=tmp_path,
        env={**environment, "MYPYPATH": os.fspath(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    revealed = re.findall(r'Revealed type is "(.*)"', found.stdout)
    assert revealed[1] == "gtdiag.model.report.Report" and "-> gtdiag.model.report.Report" in revealed[0]
    # gtdiag itself is checked with its own configuration.
    assert not [line for line in found.stdout.splitlines() if line.startswith("program.py") and "error" in line]


def test_the_command_and_the_function_tell_the_same() -> None:
    command = [sys.executable, "-m", "gtdiag", "analyze", "--format", "json", "--exit-zero", os.fspath(LOG)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert gtdiag.render(gtdiag.analyze(LOG), "json") == done.stdout


def test_what_is_asked_wrongly() -> None:
    with pytest.raises(gtdiag.GtdiagError, match="no time zone"):
        gtdiag.analyze(LOG, since=datetime(2025, 1, 1))
    with pytest.raises(ValueError, match="'speedscope' is none of text, json"):
        gtdiag.render(gtdiag.analyze([LOG], until=timedelta(seconds=0)), "speedscope")
    with pytest.raises(gtdiag.GtdiagError, match="cannot read the rules away"):
        gtdiag.analyze(LOG, rules="away.toml")
    with pytest.raises(ValueError, match="choose 0"):
        gtdiag.Watch(os.getpid(), interval_s=0)
    with pytest.raises(gtdiag.GtdiagError, match="is not a gunicorn master or worker"):
        gtdiag.Watch(os.getpid())


def test_a_configuration_has_no_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gtdiag.toml").write_text("broken [")
    monkeypatch.chdir(tmp_path)
    assert gtdiag.analyze(LOG).incidents


def test_what_was_read_before_an_error_is_kept() -> None:
    report, error = gtdiag.analyze(LOG), LogReadError("the rest is damaged", "read another")
    with pytest.raises(gtdiag.IncompleteError) as caught:
        report_of(Observation(report, error), redact=True)
    assert (caught.value.report, caught.value.__cause__) == (report, error)
    assert (caught.value.message, caught.value.hint) == (error.message, error.hint)
