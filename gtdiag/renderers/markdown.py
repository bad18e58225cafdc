"""A report to Markdown for an issue, a wiki or a job's summary: the verdict first, stacks and long advice folded."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable

from gtdiag.model.report import Blocked, Remedy, Report
from gtdiag.renderers import phrases, report_words
from gtdiag.renderers.escaping import escape_text
from gtdiag.renderers.fleet_section import HOST_COLUMNS, say_hosts
from gtdiag.renderers.health_section import MAX_OUTAGES, say_health
from gtdiag.renderers.incident_groups import IncidentGroup, group_incidents
from gtdiag.renderers.markdown_escaping import escape_markdown, fence_code, fold_away, quote_code
from gtdiag.renderers.markdown_text import TextBlock, parse_markdown
from gtdiag.renderers.report_strings import map_strings
from gtdiag.renderers.report_words import MAX_EVIDENCE_LINES, MAX_GROUPS, MAX_REQUESTS, Fact, GroupContext
from gtdiag.renderers.startup_section import say_startups

MAX_FRAMES = 60
"""A folded stack is shown whole up to here; a deeper one is shortened to what matters."""

MAX_CHARACTERS = 1000
"""Of one string: a line of a log can have megabytes. The JSON has all of it."""

_EMPTY_LINES = re.compile(r"\n{3,}")
_MANY_LINES = frozenset({"Remedy.why", "Remedy.how"})


def render_markdown(report: Report, *, max_bytes: int | None = None) -> str:
    """Return the report as Markdown that GitHub, GitLab and CommonMark show alike, ending in a newline.

    Whatever came from logs and processes is shown as it is, and neither formats, links nor notifies anybody.
    `max_bytes`: sections that would exceed it are left out, and the last line says so.
    """
    report = map_strings(report, _make_visible)
    sections = [_verdict(report)]
    sections += _incidents(report)
    sections += _patterns(report)
    sections += _remedies(report)
    sections += _workers(report)
    sections += _hosts(report)
    sections += _startups(report)
    sections += _health(report)
    sections += _requests(report)
    sections += _kernel_kills(report)
    sections += _gaps(report)
    sections.append(fold_away("About this report", _items(report_words.say_footer(report, MAX_GROUPS))))
    if max_bytes is not None:
        sections = _keep_within(sections, max_bytes)
    return "\n\n".join(sections) + "\n"


def _make_visible(place: str, text: str) -> str:
    if place in _MANY_LINES:
        return escape_text(text, keep_newlines=True)
    return escape_text(text if len(text) <= MAX_CHARACTERS else text[: MAX_CHARACTERS - 3] + "...")


def _keep_within(sections: list[str], max_bytes: int) -> list[str]:
    note = "The rest did not fit here; `--format json` has all of it."
    left = max_bytes - len(note) - 1
    kept: list[str] = []
    for section in sections:
        left -= len(section.encode()) + 2
        if left < 0:
            return [*kept, note]
        kept.append(section)
    return kept


def _verdict(report: Report) -> str:
    confidence = phrases.CONFIDENCES[report.verdict.confidence]
    return f"> **{escape_markdown(report.verdict.summary)}**\n>\n> confidence: {confidence}"


def _incidents(report: Report) -> list[str]:
    groups = group_incidents(report.incidents, report.fleet)
    if not groups:
        return []
    about = report_words.context_of(report)
    sections = ["### What happened"]
    for number, group in enumerate(groups[:MAX_GROUPS], start=1):
        sections.append(_group(group, number, about))
    if len(groups) > MAX_GROUPS:
        sections.append(f"{len(groups) - MAX_GROUPS} more groups of incidents are in `--format json`.")
    return sections


def _group(group: IncidentGroup, number: int, about: GroupContext) -> str:
    facts = [*report_words.say_who_and_when(group, about), *report_words.say_blame(group)]
    memory = report_words.say_memory(group.first)
    if memory:
        facts.append(Fact("memory", memory))
    parts = [
        f"#### {number}. {escape_markdown(report_words.say_group_title(group))}",
        "\n".join(_fact(fact) for fact in facts),
    ]
    if group.blames and group.blames[0].stack:
        parts.append(_stack(group.blames[0]))
    if group.evidence:
        parts.append(fold_away(f"Evidence ({phrases.say_count(len(group.evidence), 'line')})", _evidence(group)))
    return "\n\n".join(parts)


def _fact(fact: Fact) -> str:
    return f"- {fact.label}: {quote_code(fact.text) if fact.code else escape_markdown(fact.text)}"


def _stack(blocked: Blocked) -> str:
    return fold_away(
        "Stack, outermost first; &gt;&gt; is application code",
        fence_code(report_words.say_stack(blocked.stack, MAX_FRAMES)),
    )


def _evidence(group: IncidentGroup) -> str:
    lines = group.evidence[:MAX_EVIDENCE_LINES]
    more = len(group.evidence) - len(lines)
    return _items(lines) + (f"\n- {more} more lines are in `--format json`" if more else "")


def _patterns(report: Report) -> list[str]:
    if not report.patterns:
        return []
    lines = []
    for pattern in report.patterns:
        title = escape_markdown(report_words.say_pattern_title(pattern))
        lines.append(f"- **{title}**: {escape_markdown(pattern.summary)}")
        figures = report_words.say_pattern_figures(pattern)
        nested = [figures] if figures else []
        lines += [f"  - {escape_markdown(line)}" for line in (*nested, *pattern.evidence[:MAX_EVIDENCE_LINES])]
    return ["### Patterns", "\n".join(lines)]


def _remedies(report: Report) -> list[str]:
    remedies = report.verdict.remedies
    if not remedies:
        return []
    return ["### What to do", *(_remedy(remedy, number) for number, remedy in enumerate(remedies, start=1))]


def _remedy(remedy: Remedy, number: int) -> str:
    title = f"#### {number}. {escape_markdown(remedy.title)} ({escape_markdown(remedy.id)})"
    why, how = _advice(remedy.why), _advice(remedy.how)
    return "\n\n".join(part for part in (title, why, fold_away("How", how) if how else "") if part)


def _advice(markdown: str) -> str:
    """Write a remedy's own Markdown again, block by block: what it says of this report is not to be trusted."""
    parts: list[str] = []
    code: list[str] = []
    for block in parse_markdown(markdown):
        if block.code:
            code.append(block.text)
            continue
        if code and not block.text:
            code.append("")
            continue
        if code:
            parts.append(_code_block(code))
            code = []
        parts.append(_text_block(block))
    if code:
        parts.append(_code_block(code))
    return _EMPTY_LINES.sub("\n\n", "\n".join(parts)).strip("\n")


def _code_block(lines: list[str]) -> str:
    """Close a block of code where the empty lines after it begin."""
    while lines and not lines[-1]:
        lines.pop()
    dedented = textwrap.dedent("\n".join(lines)).split("\n")
    return f"\n{fence_code(dedented)}\n"


def _text_block(block: TextBlock) -> str:
    words = [
        quote_code(words) if number % 2 and words else _escape_within(words)
        for number, words in enumerate(block.text.split("`"))
    ]
    return f"{' ' * block.indent}{block.mark}{''.join(words)}"


def _escape_within(text: str) -> str:
    """Escape a part of a line, whose spaces at both ends count."""
    if not text.strip():
        return text
    before = text[: len(text) - len(text.lstrip())]
    after = text[len(text.rstrip()) :]
    return f"{before}{escape_markdown(text)}{after}"


def _workers(report: Report) -> list[str]:
    if not report.workers:
        return []
    workers = report_words.workers_to_show(report)
    rows = [report_words.say_worker(worker, report) for worker in workers]
    columns = [number for number in range(len(report_words.WORKER_COLUMNS)) if any(row[number] for row in rows)]
    lines = [
        _table_row(report_words.WORKER_COLUMNS[number] for number in columns),
        _table_row("---" for _ in columns),
    ]
    last = len(report_words.WORKER_COLUMNS) - 1
    for row in rows:
        lines.append(_table_row(quote_code(row[n]) if n == last else escape_markdown(row[n]) for n in columns))
    parts = ["### Workers", "\n".join(lines)]
    if len(report.workers) > len(workers):
        more = phrases.say_count(len(report.workers) - len(workers), "more worker")
        parts.append(f"{more} in `--format json`.")
    return parts


def _hosts(report: Report) -> list[str]:
    table = say_hosts(report)
    if table is None or not table.rows:
        return []
    columns = [number for number in range(len(HOST_COLUMNS)) if any(row[number] for row in table.rows)]
    lines = [_table_row(HOST_COLUMNS[number] for number in columns), _table_row("---" for _ in columns)]
    lines += [_table_row(escape_markdown(row[number]) for number in columns) for row in table.rows]
    parts = ["### Hosts", "\n".join(lines)]
    if table.left_out:
        parts.append(f"{phrases.say_count(table.left_out, 'more host')} in `--format json`, less affected than these.")
    return parts


def _table_row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _startups(report: Report) -> list[str]:
    table = say_startups(report)
    if table is None:
        return []
    lines = [_table_row(table.headers), _table_row("---" for _ in table.headers)]
    lines += [_table_row(escape_markdown(cell) for cell in row) for row in table.rows]
    left_out = f"{phrases.say_count(table.left_out, 'more step')} in `--format json`. " if table.left_out else ""
    return ["### Start-up", "\n".join(lines), f"{left_out}{escape_markdown(table.note)}"]


def _health(report: Report) -> list[str]:
    if report.health is None:
        return []
    lines = []
    label = ""
    for fact in say_health(report.health):
        label = fact.label or label
        lines.append(f"{label}: {fact.text}")
    more = len(report.health.outages) - MAX_OUTAGES
    return ["### Health", _items([*lines, *([f"{more} more in --format json"] if more > 0 else [])])]


def _requests(report: Report) -> list[str]:
    handled = report_words.requests_in_flight(report)
    if not handled:
        return []
    lines = [f"pid {pid}: {phrases.say_request(request)}" for pid, request in handled[:MAX_REQUESTS]]
    if len(handled) > MAX_REQUESTS:
        lines.append(f"{len(handled) - MAX_REQUESTS} more in --format json")
    return ["### Requests in flight", _items(lines)]


def _kernel_kills(report: Report) -> list[str]:
    records = report.kernel_oom_kills[: report_words.MAX_WORKER_ROWS]
    if not records:
        return []
    return ["### Killed by the kernel, out of memory", _items(report_words.say_kernel_kill(one) for one in records)]


def _gaps(report: Report) -> list[str]:
    if not report.gaps:
        return []
    lines = []
    for gap in report.gaps:
        lines.append(f"- {escape_markdown(report_words.say_gap(gap))}")
        if gap.hint:
            lines.append(f"  - hint: {quote_code(gap.hint)}")
    return ["### What could not be seen", "\n".join(lines)]


def _items(lines: Iterable[str]) -> str:
    return "\n".join(f"- {escape_markdown(line)}" for line in lines)
