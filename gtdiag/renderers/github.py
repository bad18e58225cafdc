"""A report to GitHub's workflow commands: annotations on the application's own lines, then the report in the job's log.

https://docs.github.com/actions/reference/workflow-commands-for-github-actions
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gtdiag.model.report import Pattern, Report
from gtdiag.renderers import phrases, report_words
from gtdiag.renderers.escaping import escape_text
from gtdiag.renderers.incident_groups import IncidentGroup, group_incidents
from gtdiag.renderers.markdown import render_markdown
from gtdiag.renderers.material import ALL_KINDS
from gtdiag.renderers.report_strings import map_strings
from gtdiag.renderers.text import render_text

MAX_ANNOTATIONS = 10
"""GitHub shows ten of a level for a step and drops the others."""

MAX_SUMMARY_BYTES = 1024 * 1024
"""A step's summary that is larger is not shown at all."""

MIN_SUMMARY_BYTES = 200
"""Less room than this is not worth a summary."""

MAX_MESSAGE_CHARACTERS = 4000
"""GitHub cuts what an annotation says at 64 KB; nobody reads that much."""

_DATA_ESCAPES = (("%", "%25"), ("\r", "%0D"), ("\n", "%0A"))
_PROPERTY_ESCAPES = (*_DATA_ESCAPES, (":", "%3A"), (",", "%2C"))


@dataclass(frozen=True, slots=True)
class _Annotation:
    """`fails`: an error, not a warning; `file` and `line`: the application's, where they are known."""

    title: str
    lines: tuple[str, ...]
    fails: bool
    file: str | None = None
    line: int | None = None


def render_github(report: Report, *, root: str = "", failing: frozenset[str] = ALL_KINDS) -> str:
    """Return annotations, one for each cause and ten at most, and the whole text report in a folded group.

    `root`: the folder of the checkout, which GitHub wants file names relative to; `failing`: the kinds of incidents and
    patterns that are errors, the others are warnings. The text report stands where commands are stopped: whatever a
    log says, the runner takes none of it for a command.
    """
    shown = map_strings(report, lambda _place, text: escape_text(text))
    annotations = [*_of_incidents(shown, failing), *_of_patterns(shown, failing)]
    lines = [_command(one, root) for one in _at_most_ten(annotations)]
    if not annotations:
        lines.append(f"::notice title=gtdiag::{_escape(shown.verdict.summary, _DATA_ESCAPES)}")
    text = render_text(report, width=100)
    token = hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()  # a text cannot hold its own hash
    lines += ["::group::gtdiag report", f"::stop-commands::{token}", text.rstrip("\n"), f"::{token}::", "::endgroup::"]
    return "\n".join(lines) + "\n"


def render_step_summary(report: Report, used_bytes: int = 0) -> str:
    """Return the Markdown for `$GITHUB_STEP_SUMMARY`; `used_bytes`: what the step has already written there.

    Nothing where next to no room is left: one byte too many, and GitHub shows none of it.
    """
    if used_bytes > MAX_SUMMARY_BYTES - MIN_SUMMARY_BYTES:
        return ""
    return render_markdown(report, max_bytes=MAX_SUMMARY_BYTES - used_bytes)


def _of_incidents(report: Report, failing: frozenset[str]) -> Iterator[_Annotation]:
    """One annotation for a cause: groups that differ in phase, killer or request only are put together."""
    about = report_words.context_of(report)
    causes: dict[object, list[IncidentGroup]] = {}
    for group in group_incidents(report.incidents, report.fleet):
        blocked = group.first.blocked
        cause = (blocked.file, blocked.line, phrases.say_call(blocked)) if blocked is not None else id(group)
        causes.setdefault(cause, []).append(group)
    for groups in causes.values():
        blocked = groups[0].first.blocked
        lines = []
        for group in groups:
            who = "; ".join(f"{fact.label}: {fact.text}" for fact in report_words.say_who_and_when(group, about))
            lines.append(f"{report_words.say_group_title(group)} ({who})")
        lines += [f"{fact.label}: {fact.text}" for fact in report_words.say_blame(groups[0])]
        yield _Annotation(
            title=_title(groups[0]),
            lines=tuple(lines),
            fails=any(group.first.kind.value in failing for group in groups),
            file=blocked.file if blocked is not None else None,
            line=blocked.line if blocked is not None else None,
        )


def _title(group: IncidentGroup) -> str:
    title = phrases.INCIDENT_TITLES[group.first.kind]
    return f"{title}: blocked in {phrases.say_call(group.blames[0])}" if group.blames else title


def _of_patterns(report: Report, failing: frozenset[str]) -> Iterator[_Annotation]:
    """Patterns of a call that workers were blocked in are told by the incidents' annotations."""
    blamed = {incident.blocked.call for incident in report.incidents if incident.blocked is not None}
    for pattern in report.patterns:
        if pattern.call is None or pattern.call not in blamed:
            yield _of_pattern(pattern, pattern.kind.value in failing)


def _of_pattern(pattern: Pattern, fails: bool) -> _Annotation:
    figures = report_words.say_pattern_figures(pattern)
    lines = (pattern.summary, *((figures,) if figures else ()))
    return _Annotation(report_words.say_pattern_title(pattern), lines, fails)


def _at_most_ten(annotations: list[_Annotation]) -> list[_Annotation]:
    """Errors first; the tenth says how many more there are."""
    ordered = sorted(annotations, key=lambda one: not one.fails)
    if len(ordered) <= MAX_ANNOTATIONS:
        return ordered
    more = len(ordered) - MAX_ANNOTATIONS + 1
    fails = any(one.fails for one in ordered[MAX_ANNOTATIONS - 1 :])
    rest = _Annotation(f"{more} more causes", ("They are in the report, in the log of this step.",), fails)
    return [*ordered[: MAX_ANNOTATIONS - 1], rest]


def _command(annotation: _Annotation, root: str) -> str:
    properties = {}
    if annotation.file:
        properties["file"] = _relative(annotation.file, root)
        if annotation.line is not None:
            properties["line"] = str(annotation.line)
    properties["title"] = f"gtdiag: {annotation.title}"
    listed = ",".join(f"{name}={_escape(value, _PROPERTY_ESCAPES)}" for name, value in properties.items())
    message = "\n".join(annotation.lines)
    if len(message) > MAX_MESSAGE_CHARACTERS:
        message = message[: MAX_MESSAGE_CHARACTERS - 3] + "..."
    return f"::{'error' if annotation.fails else 'warning'} {listed}::{_escape(message, _DATA_ESCAPES)}"


def _relative(file: str, root: str) -> str:
    root = root.rstrip("/")
    return file[len(root) + 1 :] if root and file.startswith(f"{root}/") else file


def _escape(text: str, escapes: Iterable[tuple[str, str]]) -> str:
    for character, escaped in escapes:
        text = text.replace(character, escaped)
    return text
