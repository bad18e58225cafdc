"""The report to the summary page of a GitHub Actions job: the file that `$GITHUB_STEP_SUMMARY` names."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from gtdiag.cli.errors import say_error
from gtdiag.model.report import Report

VARIABLE = "GITHUB_STEP_SUMMARY"


def append_step_summary(report: Report) -> None:
    """Append the report to the step's summary, where a runner gave one. Failing to is a note on standard error."""
    path = os.environ.get(VARIABLE)
    if not path:
        return
    from gtdiag.renderers.github import render_step_summary

    try:
        file = Path(path)
        used_bytes = file.stat().st_size if file.exists() else 0
        with file.open("a", encoding="utf-8", newline="\n") as summary:
            summary.write(render_step_summary(report, used_bytes))
    except OSError as error:
        why = error.strerror or str(error)
        say_error(f"the step's summary could not be written: {why}", f"${VARIABLE} is {path}", sys.stderr)
