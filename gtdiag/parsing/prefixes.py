"""A carried line to what the process wrote: takes off what compose, kubectl, syslog, Heroku and others put in front.

Carriers nest (`kubectl --prefix --timestamps` over CRI), so `unwrap` takes off one layer after another. A new format is
one entry in `LAYERS`, with named groups: `stamp` (the carrier's time), `stream` (what keeps replicas apart), `pid` (the
writing process), `tag` (the syslog program), `host`, `part` (CRI: P for a partial line); what follows is the rest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime

from gtdiag.parsing.json_lines import JsonRecord, parse_json_line
from gtdiag.parsing.timestamps import Stamp, parse_epoch, parse_stamp

_ISO = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?"
_RFC3164 = r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d+)?"
_SEVERITIES = ["DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY"]
_GUNICORN_AHEAD = r"(?=\[?\d{4}[-/]\d\d[-/]\d\d)"


@dataclass(frozen=True, slots=True)
class Layer:
    """One thing a carrier writes in front. `after_stamp`: only recognised behind a carrier's time stamp."""

    pattern: re.Pattern[str]
    after_stamp: bool = False


def _layer(pattern: str, *, after_stamp: bool = False) -> Layer:
    return Layer(re.compile(pattern), after_stamp)


LAYERS: dict[str, Layer] = {
    "kubectl --prefix": _layer(r"\[pod/(?P<stream>[^\]\s]+)\] "),
    "syslog RFC 5424": _layer(
        rf"(?:<\d{{1,3}}>)?1 (?P<stamp>{_ISO}) (?P<host>\S+) (?P<tag>\S+) (?P<pid>\S+) \S+ "
        r"(?:-|(?:\[(?:[^\]\"]|\"(?:[^\"\\]|\\.)*\")*\])+) ?(?:\ufeff|BOM)?"
    ),
    "syslog RFC 3164, journalctl": _layer(
        rf"(?:<\d{{1,3}}>)?(?P<stamp>{_RFC3164}) (?P<host>[\w.:-]+) (?P<tag>[^\s:\[\]]+)(?:\[(?P<pid>\d{{1,10}})\])?: ?"
    ),
    "foreman, honcho": _layer(r"\d\d:\d\d:\d\d (?P<stream>[A-Za-z][\w.-]*) +\| ?"),
    "docker compose": _layer(r"(?!\d{4}-\d\d-\d\d)(?P<stream>[A-Za-z0-9][\w.@/-]*) *\| ?"),
    "Google App Engine": _layer(rf"(?P<stamp>{_ISO}) (?P<stream>[\w.-]+\[[\w.-]+\])  "),
    "DigitalOcean": _layer(r"\[(?P<stream>[a-z][\w-]*)\] \[(?P<stamp>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\] "),
    "CloudWatch CSV": _layer(r"(?P<epoch>\d{13}),\"?"),
    "editor line number": _layer(rf"\s*\d{{1,9}}[:|]?\s+{_GUNICORN_AHEAD}"),
    "console letter": _layer(rf"[A-Z] {{1,2}}{_GUNICORN_AHEAD}"),
    "time stamp": _layer(rf"(?P<stamp>{_ISO.replace('[T ]', 'T')})(?: {{1,2}}(?=[A-Z]+  )| |\t|$)"),
    "containerd (CRI)": _layer(r"(?:stdout|stderr) (?P<part>[FP])(?: |$)", after_stamp=True),
    "Heroku": _layer(r"(?:app|heroku)\[(?P<stream>[\w.-]+)\]: ?", after_stamp=True),
    "Cloud Foundry": _layer(r"\[(?P<stream>[A-Z]+(?:/[\w-]+)*/\d+)\] +(?:OUT|ERR) ?", after_stamp=True),
    "Fly.io": _layer(r"(?P<stream>app\[\w+\]) \w{3} \[\w+\] ?", after_stamp=True),
    "journalctl -o short-iso": _layer(
        r"(?!DEBUG|INFO|WARN|ERROR|CRIT)(?P<host>[\w.-]+) (?P<tag>[^\s:\[\]]+)(?:\[(?P<pid>\d{1,10})\])?: ?",
        after_stamp=True,
    ),
    # A fixed column, so that the indentation of a traceback behind it survives.
    "gcloud logging table": _layer("|".join(f"{severity:<10}" for severity in _SEVERITIES), after_stamp=True),
    "CloudWatch tail": _layer(r"(?P<stream>[\w.$@\[\]-]+(?:/[\w.$@\[\]-]+)+) ", after_stamp=True),
    "fluentd tag": _layer(r"(?P<stream>[\w.-]+): (?=\{)", after_stamp=True),
}

_CARRIER_TAGS = frozenset(
    [
        "docker",
        "dockerd",
        "containerd",
        "podman",
        "conmon",
        "supervisord",
        "systemd",
        "runsv",
        "svlogd",
        "logger",
        "cat",
        "tee",
        "docker-compose",
        "rsyslogd",
    ]
)
"""Programs that write for others: the pid behind their name is not the worker's."""

_MOST_LAYERS = 6


@dataclass(slots=True)
class CarriedLine:
    """What one physical line carries: the text the process wrote and what its carriers say about it."""

    text: str
    stream: str = ""
    stamp: Stamp | None = None
    pid: int | None = None
    partial: bool = False
    partial_key: str = ""
    kernel: bool = False
    json: JsonRecord | None = None
    layers: list[str] = field(default_factory=list)


def unwrap(text: str, *, newest: datetime | None = None) -> CarriedLine:
    """Take every known carrier's prefix off a line that is already free of control characters.

    Stops at a carrier that cuts long lines (`partial_key` is set then): what is inside is known when its pieces are
    joined, see `unwrap_joined`.
    """
    line = CarriedLine(text)
    for _ in range(_MOST_LAYERS):
        if line.text[:1] in ("{", " ", '"'):
            record = parse_json_line(line.text)
            if record is not None:
                _take_json(line, record)
                if record.carrier and not line.partial_key:
                    continue
                break
        if not _take_layer(line, newest) or line.partial_key:
            break
    return line


def unwrap_joined(outer: CarriedLine, text: str, *, newest: datetime | None = None) -> CarriedLine:
    """The line that `text` carries, the joined pieces of which `outer` was the last."""
    inner = unwrap(text, newest=newest)
    inner.stream = outer.stream or inner.stream
    inner.stamp = inner.stamp if inner.stamp is not None else outer.stamp
    inner.pid = inner.pid if inner.pid is not None else outer.pid
    inner.layers = [*outer.layers, *inner.layers]
    inner.json = inner.json if inner.json is not None else outer.json
    return inner


def _take_layer(line: CarriedLine, newest: datetime | None) -> bool:
    if line.text[:1] in ("\t", " ") and not line.text.lstrip()[:1].isdigit():
        return False
    for name, layer in LAYERS.items():
        if layer.after_stamp and line.stamp is None:
            continue
        if name in line.layers:
            continue
        match = layer.pattern.match(line.text)
        if match is None:
            continue
        _take_match(line, name, match, newest)
        return True
    return False


def _take_match(line: CarriedLine, name: str, match: re.Match[str], newest: datetime | None) -> None:
    groups = match.groupdict()
    line.layers.append(name)
    line.text = line.text[match.end() :]
    if (stamp_text := groups.get("stamp")) is not None:
        line.stamp = parse_stamp(stamp_text, newest=newest) or line.stamp
    if groups.get("epoch") is not None:
        line.stamp = parse_epoch(groups["epoch"]) or line.stamp
        line.text = line.text[:-1] if line.text.endswith('"') else line.text
    stream = groups.get("stream")
    if (tag := groups.get("tag")) is not None:
        host = groups.get("host") or ""
        line.kernel = tag == "kernel"
        stream = host if line.kernel else f"{host}/{tag}"
        pid = groups.get("pid")
        if pid is not None and pid.isdecimal() and len(pid) <= 10 and tag not in _CARRIER_TAGS:
            line.pid = int(pid)
    if stream and not line.stream:
        line.stream = stream
    if groups.get("part") is not None:
        line.partial_key = line.stream + "\0cri"
        line.partial = groups["part"] == "P"


def _take_json(line: CarriedLine, record: JsonRecord) -> None:
    line.layers.append("JSON")
    line.text = record.message
    line.stamp = record.stamp or line.stamp
    line.stream = line.stream or record.stream
    line.pid = record.pid if record.pid is not None else line.pid
    line.kernel = line.kernel or record.kernel
    line.json = record
    if record.carrier == "docker":
        line.partial_key = f"{line.stream}\0docker"
        line.partial = record.partial
