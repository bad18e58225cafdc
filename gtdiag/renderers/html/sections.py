"""The parts of a report to the sections of the page; the words are those that every written format shares."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gtdiag.model.report import Remedy, Report
from gtdiag.renderers import phrases, report_words
from gtdiag.renderers.fleet_section import HOST_COLUMNS, say_hosts
from gtdiag.renderers.health_section import MAX_OUTAGES, say_health
from gtdiag.renderers.html.anchors import Anchors, find_frame_names, group_anchor, link_mentions, worker_anchor
from gtdiag.renderers.html.markup import Child, Markup, element
from gtdiag.renderers.html.stack_view import frames_shown, show_stack, show_story
from gtdiag.renderers.incident_groups import IncidentGroup
from gtdiag.renderers.markdown_text import TextBlock, parse_markdown
from gtdiag.renderers.report_words import GroupContext
from gtdiag.renderers.startup_section import say_startups

MAX_GROUPS = 30
MAX_EVIDENCE_LINES = 20
MAX_OCCURRENCES = 50
MAX_WORKER_ROWS = 200
MAX_PATTERNS = 40
MAX_REQUESTS = 40
MAX_KERNEL_KILLS = 40
MAX_GAPS = 60
"""What one reads on a page, which stays under a few megabytes; each section says how much it leaves out."""

_IN_ALL = "in --format json"
_CODE = re.compile(r"`([^`\n]+)`")


def show_remedies(remedies: Sequence[Remedy]) -> Markup | None:
    """Return what to do: each remedy's title and reason, the first one unfolded."""
    if not remedies:
        return None
    items = [
        element(
            "li",
            element(
                "details",
                element("summary", element("h3", remedy.title), " ", element("span", remedy.id, class_="rule")),
                [element("p", _with_code(paragraph), class_="why") for paragraph in _paragraphs(remedy.why)],
                _show_markdown(remedy.how),
                open=number == 0,
            ),
        )
        for number, remedy in enumerate(remedies)
    ]
    return section("remedies", "What to do", element("ol", items, class_="remedies"))


def show_groups(groups: Sequence[IncidentGroup], report: Report, anchors: Anchors) -> Markup | None:
    """Return what happened: the incidents that read the same as one, with its facts, its story and its evidence."""
    if not groups:
        return None
    about = report_words.context_of(report)
    cards = [_show_group(group, number, about, anchors) for number, group in enumerate(groups[:MAX_GROUPS], start=1)]
    return section(
        "incidents",
        "What happened",
        cards,
        _more(len(groups) - MAX_GROUPS, "more group of incidents", "more groups of incidents"),
    )


def _show_group(group: IncidentGroup, number: int, about: GroupContext, anchors: Anchors) -> Markup:
    blocked = group.blames[0] if group.blames else None
    names = find_frame_names(frames_shown(blocked), number) if blocked is not None else {}
    local = Anchors(anchors.worker_of_pid, names)
    facts = [*report_words.say_who_and_when(group, about), *report_words.say_blame(group)]
    rows = [(fact.label, link_mentions(fact.text, anchors), fact.code) for fact in facts]
    memory = report_words.say_memory(group.first)
    if memory:
        rows.append(("memory", [memory], False))
    return element(
        "article",
        element("h3", element("span", f"{number}.", class_="number"), " ", report_words.say_group_title(group)),
        show_story(blocked) if blocked is not None else None,
        _facts(rows),
        show_stack(blocked, number) if blocked is not None else None,
        _show_evidence(group.evidence, local),
        _show_occurrences(group, about, anchors) if len(group.incidents) > 1 else None,
        id=group_anchor(number),
    )


def _show_evidence(evidence: Sequence[str], anchors: Anchors) -> Markup | None:
    if not evidence:
        return None
    lines = [element("li", link_mentions(line[:2000], anchors)) for line in evidence[:MAX_EVIDENCE_LINES]]
    return element(
        "div",
        element("h4", "Evidence"),
        element("ul", lines),
        _more(len(evidence) - MAX_EVIDENCE_LINES, "more line", "more lines"),
        class_="evidence",
    )


def _show_occurrences(group: IncidentGroup, about: GroupContext, anchors: Anchors) -> Markup:
    incidents = group.incidents
    say = phrases.say_day_and_time if about.several_days else phrases.say_time
    rows = [
        element(
            "tr",
            element("td", say(incident.at, unknown="")),
            [element("td", host) for host in group.hosts[number : number + 1]],
            element("td", link_mentions(f"pid {incident.pid}", anchors) if incident.pid is not None else ""),
            element("td", phrases.say_seconds(incident.blocked.seconds if incident.blocked else None, unknown="")),
            element("td", say(incident.resolved_at, unknown="")),
        )
        for number, incident in enumerate(incidents[:MAX_OCCURRENCES])
    ]
    return element(
        "details",
        element("summary", f"each of the {len(incidents)}" if group.cause is None else f"{len(incidents)} of them"),
        _table(("When", *(("Host",) if group.hosts else ()), "Worker", "Blocked for", "Went on"), rows),
        _more(len(incidents) - MAX_OCCURRENCES, "more", "more"),
    )


def show_patterns(report: Report, anchors: Anchors) -> Markup | None:
    """Return what the incidents show together."""
    if not report.patterns:
        return None
    items = []
    for pattern in report.patterns[:MAX_PATTERNS]:
        figures = report_words.say_pattern_figures(pattern)
        items.append(
            element(
                "article",
                element("h3", report_words.say_pattern_title(pattern)),
                element("p", link_mentions(pattern.summary, anchors)),
                element("p", link_mentions(figures, anchors), class_="figures") if figures else None,
                _show_evidence(pattern.evidence, anchors),
            )
        )
    return section(
        "patterns", "Patterns", items, _more(len(report.patterns) - MAX_PATTERNS, "more pattern", "more patterns")
    )


def worker_rows(report: Report) -> list[int]:
    """Return the places in the report of the workers that have a row."""
    chosen = {id(worker) for worker in report_words.workers_to_show(report, MAX_WORKER_ROWS)}
    return [index for index, worker in enumerate(report.workers) if id(worker) in chosen]


def show_hosts(report: Report) -> Markup | None:
    """Return a row for each host of a fleet."""
    table = say_hosts(report, MAX_WORKER_ROWS)
    if table is None or not table.rows:
        return None
    used = [i for i in range(len(HOST_COLUMNS)) if any(row[i] for row in table.rows)]
    rows = [element("tr", [element("td", row[i]) for i in used]) for row in table.rows]
    return section(
        "hosts",
        "Hosts",
        _table(tuple(HOST_COLUMNS[i].capitalize() for i in used), rows),
        _more(table.left_out, "more host", "more hosts"),
    )


def show_workers(report: Report, groups: dict[int, str]) -> Markup | None:
    """Return a row for each worker. `groups`: the anchor of each incident, by its place in the report."""
    if not report.workers:
        return None
    incident_of = {
        (incident.replica, incident.master_pid, incident.pid, incident.ordinal): groups[index]
        for index, incident in reversed(list(enumerate(report.incidents)))
        if index in groups
    }
    listed = worker_rows(report)
    cells = {index: report_words.say_worker(report.workers[index], report) for index in listed}
    used = [i for i in range(len(report_words.WORKER_COLUMNS)) if any(row[i] for row in cells.values())]
    rows = []
    for index in listed:
        worker = report.workers[index]
        anchor = incident_of.get((worker.replica, worker.master_pid, worker.pid, worker.ordinal))
        texts: list[Child] = [cells[index][i] for i in used]
        if anchor is not None:
            texts[0] = element("a", cells[index][used[0]], href=f"#{anchor}")
        rows.append(
            element(
                "tr",
                [
                    element("td", text, data_label=report_words.WORKER_COLUMNS[i].lower())
                    for i, text in zip(used, texts, strict=True)
                ],
                id=worker_anchor(index),
                class_="attention" if report_words.needs_attention(worker) else None,
            )
        )
    headers = [report_words.WORKER_COLUMNS[i].lower() for i in used]
    more = _more(len(report.workers) - len(listed), "more worker", "more workers")
    return section("workers", "Workers", _table(headers, rows), more)


def show_requests(report: Report) -> Markup | None:
    """Return what the workers that still run are handling, the longest first."""
    handled = report_words.requests_in_flight(report)
    if not handled:
        return None
    items = [
        element("li", f"pid {pid}: ", element("code", phrases.say_request(request)))
        for pid, request in handled[:MAX_REQUESTS]
    ]
    more = _more(len(handled) - MAX_REQUESTS, "more request", "more requests")
    return section("requests", "Requests in flight", element("ul", items), more)


def show_startups(report: Report) -> Markup | None:
    """Return where the time of the slowest start-up went, beside that of the fastest."""
    table = say_startups(report)
    if table is None:
        return None
    rows = [element("tr", [element("td", cell) for cell in row]) for row in table.rows]
    return section(
        "startup",
        "Start-up",
        _table([header.lower() for header in table.headers], rows),
        _more(table.left_out, "more step", "more steps"),
        element("p", table.note, class_="more"),
    )


def show_health(report: Report) -> Markup | None:
    """Return how the health endpoint answered, where one was asked."""
    if report.health is None:
        return None
    facts: list[tuple[str, list[Child], bool]] = [
        (fact.label, [fact.text], fact.code) for fact in say_health(report.health)
    ]
    more = _more(len(report.health.outages) - MAX_OUTAGES, "more outage", "more outages")
    return section("health", "Health", _facts(facts), more)


def show_kernel_kills(report: Report) -> Markup | None:
    """Return the kernel's out-of-memory kills."""
    kills = report.kernel_oom_kills
    if not kills:
        return None
    items = [element("li", report_words.say_kernel_kill(record)) for record in kills[:MAX_KERNEL_KILLS]]
    more = _more(len(kills) - MAX_KERNEL_KILLS, "more", "more")
    return section("kernel-kills", "Killed by the kernel, out of memory", element("ul", items), more)


def show_gaps(report: Report) -> Markup | None:
    """Return what could not be seen, why, and what would change that."""
    if not report.gaps:
        return None
    items = [
        element(
            "li",
            element("p", report_words.say_gap(gap)),
            element("p", "hint: ", _with_code(gap.hint), class_="hint") if gap.hint else None,
        )
        for gap in report.gaps[:MAX_GAPS]
    ]
    more = _more(len(report.gaps) - MAX_GAPS, "more", "more")
    return section("gaps", "What could not be seen", element("ul", items, class_="gaps"), more)


def section(anchor: str, title: str, *children: Child) -> Markup:
    """Return a section with its heading."""
    return element("section", element("h2", title), children, id=anchor)


def _facts(facts: Sequence[tuple[str, list[Child], bool]]) -> Markup:
    return element(
        "dl",
        [
            element("div", element("dt", label), element("dd", element("code", text) if code else text))
            for label, text, code in facts
        ],
    )


def _more(number: int, singular: str, plural: str) -> Markup | None:
    if number <= 0:
        return None
    return element("p", f"{phrases.say_count(number, singular, plural)} {_IN_ALL}", class_="more")


def _table(headers: Sequence[str], rows: Sequence[Markup]) -> Markup:
    head = element("thead", element("tr", [element("th", header, scope="col") for header in headers]))
    return element("div", element("table", head, element("tbody", rows)), class_="wide")


def _paragraphs(text: str) -> list[str]:
    return [" ".join(part.split()) for part in text.split("\n\n") if part.strip()]


def _show_markdown(text: str) -> list[Markup]:
    shown: list[Markup] = []
    blocks = parse_markdown(text)
    position = 0
    while position < len(blocks):
        kind = _kind_of(blocks[position])
        end = position
        while end < len(blocks) and _kind_of(blocks[end]) == kind:
            end += 1
        run = blocks[position:end]
        position = end
        if kind == "code":
            shown.append(element("pre", element("code", _code_lines(run))))
        elif kind in ("ul", "ol"):
            shown.append(element(kind, [element("li", _with_code(block.text)) for block in run]))
        elif kind == "p":
            shown += [element("p", _with_code(block.text)) for block in run]
    return shown


def _kind_of(block: TextBlock) -> str:
    if block.code:
        return "code"
    if not block.text:
        return "empty"
    if not block.mark:
        return "p"
    return "ol" if block.mark[0].isdigit() else "ul"


def _code_lines(blocks: Sequence[TextBlock]) -> list[Child]:
    """Each line escaped by itself, as a line's end in a string is data and shown as an escape."""
    lines: list[Child] = []
    for block in blocks:
        lines += [block.text, Markup("\n")]
    return lines[:-1]


def _with_code(text: str) -> list[Child]:
    """Return the text with what stands between back quotes as code."""
    parts = _CODE.split(text)
    return [element("code", part) if number % 2 else part for number, part in enumerate(parts)]
