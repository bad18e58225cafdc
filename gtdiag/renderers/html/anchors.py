"""Places on the page that others lead to: workers, incidents; and text to text whose pids and times lead there."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from gtdiag.model.report import Report, StackFrame
from gtdiag.renderers.html.markup import Child, Markup, element

_PID_LIST = re.compile(r"\b(?:pids?|workers?|process)[ :]\(?(\d{1,10}(?:(?:, | and )\d{1,10})*)")
_NUMBER = re.compile(r"\d+")
_STAMP = re.compile(r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:[.,]\d{1,6})?[+-]\d\d:?\d\d")
_WORD = re.compile(r"[A-Za-z_/][\w./<>-]{2,300}(?::\d{1,7})?")


@dataclass(frozen=True, slots=True)
class Anchors:
    """Which pid, and which name of a function or place in code, stands where on the page."""

    worker_of_pid: dict[int, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)


def worker_anchor(index: int) -> str:
    """Return the id of the row of a worker, by its place in the report."""
    return f"worker-{index + 1}"


def group_anchor(number: int) -> str:
    """Return the id of the n-th group of incidents."""
    return f"incident-{number}"


def frame_anchor(group: int, position: int) -> str:
    """Return the id of a frame of the n-th group's stack."""
    return f"frame-{group}-{position}"


def find_worker_anchors(report: Report, listed: Iterable[int]) -> Anchors:
    """Return the anchors of the workers that are listed, by their places; a pid that came back leads nowhere."""
    seen: dict[int, int] = {}
    for worker in report.workers:
        seen[worker.pid] = seen.get(worker.pid, 0) + 1
    rows = {report.workers[index].pid: worker_anchor(index) for index in listed}
    return Anchors({pid: row for pid, row in rows.items() if seen[pid] == 1})


def find_frame_names(stack: Iterable[tuple[int, StackFrame]], group: int) -> dict[str, str]:
    """Return what evidence may call the frames of a stack: the function, its last part, its file and line."""
    names: dict[str, str] = {}
    for position, frame in stack:
        anchor = frame_anchor(group, position)
        places = [f"{frame.file}:{frame.line}", f"{frame.file.rpartition('/')[2]}:{frame.line}"] if frame.line else []
        for name in (frame.function, frame.function.rpartition(".")[2], *places):
            if len(name) > 2:
                names[name] = anchor  # the innermost of several that are called the same
    return names


def link_mentions(text: str, anchors: Anchors) -> list[Child]:
    """Return the text with the pids, functions, places and full time stamps in it made links within the page."""
    links: list[tuple[int, int, Markup]] = []
    for found in _PID_LIST.finditer(text):
        for number in _NUMBER.finditer(text, *found.span(1)):
            anchor = anchors.worker_of_pid.get(int(number.group()))
            if anchor is not None:
                links.append((*number.span(), element("a", number.group(), href=f"#{anchor}")))
    for found in _STAMP.finditer(text):
        moment = _moment(found.group())
        if moment is not None:
            milliseconds = round(moment.timestamp() * 1000)
            links.append((*found.span(), element("a", found.group(), href="#timeline", data_moment=milliseconds)))
    for found in _WORD.finditer(text):
        anchor = anchors.names.get(found.group())
        if anchor is not None:
            links.append((*found.span(), element("a", element("code", found.group()), href=f"#{anchor}")))
    return _replace(text, sorted(links, key=lambda link: link[:2]))


def _replace(text: str, links: list[tuple[int, int, Markup]]) -> list[Child]:
    children: list[Child] = []
    after = 0
    for start, end, link in links:
        if start < after:
            continue
        children += [text[after:start], link]
        after = end
    return [*children, text[after:]]


def _moment(stamp: str) -> datetime | None:
    text = stamp.replace(",", ".")
    if text[-3] != ":":
        text = f"{text[:-2]}:{text[-2:]}"
    try:
        return datetime.fromisoformat(text)
    except ValueError:  # CPython before 3.11 takes three or six digits of a second
        return None
