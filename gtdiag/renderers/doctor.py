"""A diagnosis of what can be observed to what `gtdiag doctor` prints: text, or `gtdiag.doctor/1` as JSON."""

from __future__ import annotations

import json

from gtdiag import __version__
from gtdiag.model.observability import Check, CheckStatus, Diagnosis
from gtdiag.renderers.escaping import escape_text
from gtdiag.renderers.json_report import to_json_value
from gtdiag.renderers.page import Page
from gtdiag.renderers.redaction import redact_text
from gtdiag.renderers.report_strings import map_strings
from gtdiag.renderers.text_page import TextPage

DOCTOR_SCHEMA = "gtdiag.doctor/1"

ABOUT = {"master": "the master", "workers": "its workers", "gtdiag": "gtdiag itself", "host": "this host"}
_STYLES = {
    CheckStatus.OK: "green",
    CheckStatus.LIMITED: "yellow",
    CheckStatus.MISSING: "bold red",
    CheckStatus.UNKNOWN: "yellow",
}
_INDENT, _STATUS_WIDTH, _TITLE_WIDTH = 2, 9, 17


def render_doctor_json(diagnosis: Diagnosis) -> str:
    """Return the diagnosis as one JSON document, ending in a newline."""
    value = {
        "schema": DOCTOR_SCHEMA,
        "gtdiag_version": __version__,
        **to_json_value(map_strings(diagnosis, lambda _place, text: redact_text(text))),
    }
    return json.dumps(value, indent=2, allow_nan=False) + "\n"


def render_doctor_text(diagnosis: Diagnosis, page: Page) -> str:
    """Return the diagnosis as a list of checks, ending in a newline; below what is not ok: its cost and a hint.

    A hint that is said above already is not repeated.
    """
    shown = map_strings(diagnosis, lambda _place, text: escape_text(redact_text(text), ascii_only=page.ascii))
    text = TextPage(page)
    text.paragraph(shown.summary, style="bold")
    if shown.first_step:
        text.paragraph(shown.first_step, first="First: ")
    for about, heading in ABOUT.items():
        checks = [check for check in shown.checks if check.about == about]
        if checks:
            text.heading(heading)
        for check in checks:
            _write_check(text, check, said=shown.first_step)
    return text.text()


def _write_check(text: TextPage, check: Check, said: str) -> None:
    fine = check.status is CheckStatus.OK
    first = f"{check.status.value:<{_STATUS_WIDTH}}{check.title:<{_TITLE_WIDTH}}"
    text.paragraph(check.found, indent=_INDENT, first=first, style="" if fine else _STYLES[check.status])
    if fine:
        return
    column = _INDENT + _STATUS_WIDTH
    text.paragraph(check.cost, indent=column, first="without it: ")
    if check.hint != said:
        text.paragraph(check.hint, indent=column, first="to change it: ")
