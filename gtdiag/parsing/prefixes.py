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
_ISO_T = _ISO.replace("[T ]", "T")
# A month's name in whatever language the reader of the journal speaks; one that is not English gives no time.
_RFC3164 = r"[^\W\d_]{3,5}\.? [ \d]\d \d\d:\d\d:\d\d(?:\.\d+)?"
_TAG = r"(?P<host>[\w.-][\w.:-]*(?<!:)) (?P<tag>[^\s:\[\]{\"]+)(?:\[(?P<pid>\d{1,10})\])?: ?"
_SEVERITIES = ["DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY"]
_LEVELS = "TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|CRITICAL|FATAL|SUCCESS"
_GUNICORN_AHEAD = r"(?=\[?\d{4}[-/]\d\d[-/]\d\d)"
_TRACEBACK = (
    r"\s*File \"|\s*(?:Exception Group )?Traceback \(most recent|\s*[~^]+\s*$|(?:Current thread|Thread) 0x"
    r"|Fatal Python error|During handling of the above|The above exception was"
    r"|[\w.]{0,200}(?:Error|Exception|Exit|Interrupt|Timeout)(?::|\s*$)"
)
_COMPOSE_NAME = r"[\w.-]+[-_.]\d{1,4} *\| "
_RECORD_AHEAD = (
    rf"(?=\[?(?:\d{{4}}[-/]\d\d[-/]\d\d|(?:{_LEVELS})\b)|{_RFC3164} |\[ *\d+\.\d{{6}}\] "
    rf"|(?:Memory cgroup o|O)ut of memory|\{{\"|{_COMPOSE_NAME}|{_TRACEBACK})"
)
_SOURCE_AHEAD = r"(?= {4,}[A-Za-z_@~^(])"


@dataclass(frozen=True, slots=True)
class Layer:
    """One thing a carrier writes in front.

    `after_stamp`: only recognised behind a carrier's time stamp; `outermost`: only at the head of the line; `again`:
    may come twice.
    """

    pattern: re.Pattern[str]
    after_stamp: bool = False
    outermost: bool = False
    again: bool = False


def _layer(pattern: str, *, after_stamp: bool = False, outermost: bool = False, again: bool = False) -> Layer:
    return Layer(re.compile(pattern), after_stamp, outermost, again)


LAYERS: dict[str, Layer] = {
    "quotation": _layer(r"(?:>[ ]?)+", outermost=True),
    "grep": _layer(
        r"(?P<stream>[\w./-]+\.(?:log|txt|err|out)(?:\.\d{1,3})?)[:-](?:\d{1,9}[:-](?!\d\d-\d\d[T ]))?", outermost=True
    ),
    "kubectl --prefix": _layer(r"\[pod/(?P<stream>[^\]\s]+)\] "),
    "syslog RFC 5424": _layer(
        rf"(?:<\d{{1,3}}>)?1 (?P<stamp>{_ISO}) (?P<host>\S+) (?P<tag>\S+) (?P<pid>\S+) \S+ "
        r"(?:-|(?:\[(?:[^\]\"]|\"(?:[^\"\\]|\\.)*\")*\])+) ?(?:\ufeff|BOM)?"
    ),
    "syslog RFC 3164, journalctl": _layer(rf"(?:<\d{{1,3}}>)?(?P<stamp>{_RFC3164}) {_TAG}", again=True),
    "journalctl -o short-full": _layer(
        r"[^\W\d_]{2,4}\.? (?P<stamp>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? (?:[A-Z]{1,5}|[+-]\d{2,4})) "
        rf"{_TAG}"
    ),
    "journalctl -o short-unix": _layer(rf"(?P<epoch>\d{{10}}\.\d{{1,6}}) {_TAG}"),
    "journalctl -o short-monotonic": _layer(
        r"\[ *\d+\.\d{6}\] (?P<host>[\w.-]+) (?P<tag>[^\s:\[\]]+)(?:\[(?P<pid>\d{1,10})\]|(?<=kernel)): ?"
    ),
    "foreman, honcho": _layer(r"\d\d:\d\d:\d\d (?P<stream>[A-Za-z][\w.-]*) +\| ?"),
    "pm2": _layer(r"(?P<stream>\d{1,4}\|[\w.@-]{1,60}) *\| ?"),
    "docker compose": _layer(
        rf"(?!\d{{4}}-\d\d-\d\d|(?:{_LEVELS}) *\|)(?P<stream>[A-Za-z0-9][\w.@/-]*) *\| ?", again=True
    ),
    "stern": _layer(
        r"(?P<stream>[a-z0-9][a-z0-9.]*-[a-z0-9.-]+ [a-z0-9][a-z0-9-]*) *\| ?"
        r"|(?P<pod>(?:[a-z0-9][a-z0-9-]* )?[a-z0-9][a-z0-9.-]*-[a-z0-9]{5,10}-[a-z0-9]{5} [a-z][a-z0-9-]*) "
        # Of a StatefulSet or a DaemonSet: its name alone could be any two words.
        r"|(?P<numbered>(?:[a-z0-9][a-z0-9-]* )?[a-z0-9][a-z0-9.-]*-(?:\d{1,4}|[bcdf-hj-np-tv-xz2456789]{5})"
        rf" [a-z][a-z0-9-]*) (?:{_RECORD_AHEAD}|{_SOURCE_AHEAD})"
        r"|\[(?P<bracketed>[a-z0-9][a-z0-9.]*-[a-z0-9.-]+ [a-z][a-z0-9-]*)\] ?"
        r"|(?P<kail>[a-z0-9][a-z0-9-]*/[a-z0-9][a-z0-9.-]*\[[a-z][a-z0-9-]*\]): ?"
    ),
    "Google App Engine": _layer(rf"(?P<stamp>{_ISO}) (?P<stream>[\w.-]+\[[\w.-]+\])  "),
    "DigitalOcean": _layer(r"\[(?P<stream>[a-z][\w-]*)\] \[(?P<stamp>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\] "),
    "concurrently": _layer(rf"\[(?P<stream>[a-z][\w.-]*|\d{{1,2}})\] {_GUNICORN_AHEAD}"),
    "GitHub Actions": _layer(r"(?P<stream>[^\t]{1,100})\t[^\t]{1,200}\t(?=\d{4}-\d\d-\d\dT)", outermost=True),
    "CSV": _layer(rf"(?:\"?(?P<stamp>{_ISO})\"?|\"?(?P<epoch>\d{{13}})\"?),(?P<csv>)"),
    "numbered line": _layer(
        rf"\s*\d{{1,9}}(?:\t|[:|-]?\s+{_GUNICORN_AHEAD}|[:-]{_RECORD_AHEAD}"
        rf"|[:|]?[ ](?:{_RECORD_AHEAD}|{_SOURCE_AHEAD}))",
        outermost=True,
    ),
    "console letter": _layer(rf"[A-Z] {{1,2}}{_GUNICORN_AHEAD}"),
    "svlogd": _layer(r"(?P<stamp>\d{4}-\d\d-\d\d_\d\d:\d\d:\d\d(?:\.\d{1,9})?) "),
    "multilog": _layer(r"@(?P<tai>4[0-9a-f]{15})(?P<tai_ns>[0-9a-f]{8}) ?"),
    "Jenkins": _layer(rf"\[(?P<stamp>{_ISO_T})\](?! ?\[\d+\]) ?"),
    "time stamp": _layer(rf"(?P<stamp>{_ISO_T})(?::? {{1,2}}(?=[A-Z]+  )|: | |\t|$)", again=True),
    "viewer's time stamp": _layer(rf"(?P<stamp>{_ISO}) (?:{_RECORD_AHEAD}|{_SOURCE_AHEAD})"),
    "GitLab CI": _layer(r"\d\d[OE](?:[ +]|$)", after_stamp=True),
    "containerd (CRI)": _layer(r"(?:stdout|stderr) (?P<part>[FP])(?: |$)", after_stamp=True),
    "Heroku": _layer(r"(?:app|heroku)\[(?P<stream>[\w.-]+)\]: ?", after_stamp=True, again=True),
    "Cloud Foundry": _layer(r"\[(?P<stream>[A-Z]+(?:/[\w-]+)*/\d+)\] +(?:OUT|ERR) ?", after_stamp=True),
    "Fly.io": _layer(r"(?P<stream>app\[\w+\]) \w{3} \[\w+\] ?", after_stamp=True),
    "journalctl -o short-iso": _layer(
        # Neither a writer's own stamp nor one of gunicorn's messages of two words and a colon.
        r"(?!DEBUG|INFO|WARN|ERROR|CRIT|\d{4}-\d\d|Listening at:|Using worker:|Handling signal:|Shutting down:)"
        rf"{_TAG}",
        after_stamp=True,
    ),
    # A fixed column, so that the indentation of a traceback behind it survives.
    "gcloud logging table": _layer("|".join(f"{severity:<10}" for severity in _SEVERITIES), after_stamp=True),
    "CloudWatch tail": _layer(r"(?P<stream>[\w.$@\[\]-]+(?:/[\w.$@\[\]-]+)+) ", after_stamp=True),
    "fluentd tag": _layer(r"(?P<stream>[\w.*-]+)(?:: |\t)(?=\{)", after_stamp=True),
}

_MOST_LAYERS = 6


@dataclass(slots=True)
class CarriedLine:
    """What one physical line carries: the text the process wrote and what its carriers say about it.

    `pid`: the writer's own word for itself (a JSON logger's field). `carrier_pid`: what stands behind a carrier's tag,
    which is rarely the writer's: journald names a unit's main process for whatever its children write, docker and
    supervisor name themselves.
    """

    text: str
    stream: str = ""
    stamp: Stamp | None = None
    pid: int | None = None
    carrier_pid: int | None = None
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
        if line.text[:1] in ("{", " ", '"') or line.text.startswith("[{"):
            record = parse_json_line(line.text)
            if record is not None:
                _take_json(line, record)
                if line.partial_key or not (record.carrier or record.message[:1] == "{"):
                    break
                continue
        if not _take_layer(line, newest) or line.partial_key:
            break
    return line


def unwrap_joined(outer: CarriedLine, text: str, *, newest: datetime | None = None) -> CarriedLine:
    """The line that `text` carries, the joined pieces of which `outer` was the last."""
    inner = unwrap(text, newest=newest)
    inner.stream = outer.stream or inner.stream
    inner.stamp = inner.stamp if inner.stamp is not None else outer.stamp
    inner.pid = inner.pid if inner.pid is not None else outer.pid
    inner.carrier_pid = inner.carrier_pid if inner.carrier_pid is not None else outer.carrier_pid
    inner.layers = [*outer.layers, *inner.layers]
    inner.json = inner.json if inner.json is not None else outer.json
    return inner


def _take_layer(line: CarriedLine, newest: datetime | None) -> bool:
    if line.text[:1] in ("\t", " "):
        if not line.layers and (indented := _INDENTED_CARRIER.match(line.text)) is not None:
            line.text = line.text[indented.end() :]
        elif not line.text.lstrip()[:1].isdigit():
            return False
    if _OWN_RECORD.match(line.text) is not None:
        return False
    for name, layer, match_layer in _UNSTAMPED if line.stamp is None else _STAMPED:
        match = match_layer(line.text)
        if match is None or (layer.outermost and line.layers) or line.layers.count(name) > layer.again:
            continue
        _take_match(line, name, match, newest)
        return True
    return False


_STAMPED = tuple((name, layer, layer.pattern.match) for name, layer in LAYERS.items())
_UNSTAMPED = tuple(entry for entry in _STAMPED if not entry[1].after_stamp)


def _take_match(line: CarriedLine, name: str, match: re.Match[str], newest: datetime | None) -> None:
    groups = {key: value for key, value in match.groupdict().items() if value is not None}
    line.layers.append(name)
    line.text = line.text[match.end() :]
    _take_stamp(line, groups, newest)
    stream = next((groups[key] for key in _STREAM_GROUPS if key in groups), None)
    if (tag := groups.get("tag")) is not None:
        host = groups.get("host", "")
        line.kernel = tag == "kernel"
        stream = host if line.kernel else f"{host}/{tag}"
        pid = groups.get("pid", "")
        if pid.isascii() and pid.isdigit() and len(pid) <= 10:
            line.carrier_pid = int(pid)
        if "#0" in line.text:
            line.text = _SYSLOG_ESCAPE.sub(lambda escape: chr(int(escape[1], 8)), line.text)
    if "csv" in groups:
        line.text = _parse_last_field(line.text)
    if stream and not line.stream:
        line.stream = stream
    if "part" in groups:
        line.partial_key = line.stream + "\0cri"
        line.partial = groups["part"] == "P"


_INDENTED_CARRIER = re.compile(rf"\s+(?={_ISO_T}[ \t]|{_RFC3164} [\w.-]+ |{_COMPOSE_NAME})")
"""A paste indents what the carrier wrote; behind a carrier, indentation is the traceback's."""
_OWN_RECORD = re.compile(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}\] \[\d")
"""gunicorn's own format: nothing is in front of it. Most lines that are looked at are of this kind."""
_STREAM_GROUPS = ("stream", "pod", "numbered", "bracketed", "kail")
_SYSLOG_ESCAPE = re.compile(r"#(011|012)")
"""How rsyslog writes a tab and a line end inside a message."""
_TAI_EPOCH_S = (1 << 62) + 10
"""1970 in TAI64 labels; daemontools and runit count no leap seconds."""


def _take_stamp(line: CarriedLine, groups: dict[str, str], newest: datetime | None) -> None:
    stamp = None
    if "stamp" in groups:
        stamp = parse_stamp(groups["stamp"].replace("_", " "), newest=newest)
    elif "epoch" in groups:
        stamp = parse_epoch(groups["epoch"])
    elif "tai" in groups:
        stamp = parse_epoch(f"{int(groups['tai'], 16) - _TAI_EPOCH_S}.{int(groups['tai_ns'], 16):09}")
    if stamp is not None and (line.stamp is None or line.stamp.naive or not stamp.naive):
        line.stamp = stamp


def _parse_last_field(text: str) -> str:
    """The last field of a CSV line, where a log's export has its message; a quoted one may go on in the next line."""
    at, quoted = 0, False
    for i, character in enumerate(text):
        if character == '"':
            quoted = not quoted
        elif character == "," and not quoted:
            at = i + 1
            if text[at : at + 1] not in ('"', ""):
                # Unquoted fields before the message hold no blank; the message itself may hold commas.
                head = text[at:].partition(",")[0]
                if " " in head or "[" in head:
                    break
    field_text = text[at:]
    if not field_text.startswith('"'):
        return field_text
    field_text = field_text[1:]
    return (field_text[:-1] if field_text.endswith('"') and not field_text.endswith('""') else field_text).replace(
        '""', '"'
    )


def _take_json(line: CarriedLine, record: JsonRecord) -> None:
    line.layers.append("JSON")
    line.text = record.message
    if record.stamp is not None and (line.stamp is None or line.stamp.naive or not record.stamp.naive):
        line.stamp = record.stamp
    line.stream = line.stream or record.stream
    if record.carrier:
        line.carrier_pid = record.pid if record.pid is not None else line.carrier_pid
    else:
        line.pid = record.pid if record.pid is not None else line.pid
    line.kernel = line.kernel or record.kernel
    line.json = record
    if record.may_be_cut:
        line.partial_key = f"{line.stream}\0{record.carrier}"
        line.partial = record.partial
