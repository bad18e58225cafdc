"""What carries a process's lines to whoever reads them: one entry for each shape in which a log arrives."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

MAIN_PID = 4711
"""The process that a carrier names for all writers: a systemd unit's main process, docker's daemon."""


@dataclass(frozen=True)
class Line:
    """A line as it was written: by which process, and when."""

    index: int
    pid: int
    at: datetime
    text: str

    def iso(self, digits: int = 6) -> str:
        return self.at.strftime("%Y-%m-%dT%H:%M:%S.%f") + "0" * (digits - 6)

    def at_second(self, pattern: str) -> str:
        return self.at.strftime(pattern)


Carrier = Callable[[Line], str]

_OWN = re.compile(r"\[?(?P<at>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?: (?P<zone>[+-]\d{4}))?\]? \[(?P<pid>\d+)\]")


def read_lines(text: str) -> list[Line]:
    """A log in gunicorn's own format, with each line's writer and time, which rises by a millisecond a line."""
    at, pid = datetime(2025, 7, 22, 20, 9, 20, tzinfo=timezone.utc), 1
    lines: list[Line] = []
    for index, line in enumerate(text.splitlines()):
        at += timedelta(milliseconds=1) if at.microsecond < 998_000 else timedelta(0)
        if (own := _OWN.match(line)) is not None:
            pid = int(own["pid"])
            written = datetime.strptime(f"{own['at']} {own['zone'] or '+0000'}", "%Y-%m-%d %H:%M:%S %z")
            if written >= at or not lines:
                at = written.astimezone(timezone.utc)
        lines.append(Line(index, pid, at, line))
    return lines


def carry(lines: Iterable[Line], *carriers: Carrier) -> Iterator[str]:
    """The lines as they arrive; the last carrier is the outermost."""
    for line in lines:
        text = line.text
        for carrier in carriers:
            text = carrier(Line(line.index, line.pid, line.at, text))
        yield text


def _json(**values: object) -> str:
    return json.dumps(values)


def _tai64n(at: datetime) -> str:
    return f"@{(1 << 62) + 10 + int(at.timestamp()):016x}{at.microsecond * 1000:08x}"


def _csv(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _go_json(**values: object) -> str:
    """As Go's and docker's encoders write it."""
    return json.dumps(values).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


_POD = "web-7d9f5b6c9-x2xzq"
_KUBERNETES = {"pod_name": _POD, "container_name": "app", "namespace_name": "default", "host": "node-1"}

# Each with the stream that events then name.
CARRIERS: dict[str, tuple[Carrier, str]] = {
    "plain": (lambda line: line.text, ""),
    # docker
    "docker compose v1": (lambda line: f"web_1  | {line.text}", "web_1"),
    "docker compose v2": (lambda line: f"web-1  | {line.text}", "web-1"),
    "docker compose, coloured": (lambda line: f"\x1b[36mweb_1       |\x1b[0m {line.text}", "web_1"),
    "docker compose, bold": (lambda line: f"\x1b[33;1mweb-1  | \x1b[0m{line.text}", "web-1"),
    "docker compose --timestamps": (lambda line: f"web-1  | {line.iso(9)}Z {line.text}", "web-1"),
    "docker compose --timestamps, coloured": (
        lambda line: f"\x1b[36mweb-1  | \x1b[0m{line.iso(9)}Z {line.text}",
        "web-1",
    ),
    "docker compose, indented": (lambda line: f"    web-1  | {line.text}", "web-1"),
    "docker compose --no-log-prefix -t": (lambda line: f"{line.iso(9)}Z {line.text}", ""),
    "docker service logs": (lambda line: f"app_web.1.k3v9x@node-2    | {line.text}", "app_web.1.k3v9x@node-2"),
    "docker JSON file": (lambda line: _go_json(log=line.text + "\n", stream="stderr", time=line.iso(9) + "Z"), ""),
    "docker syslog driver": (
        lambda line: f"{line.at_second('%b %d %H:%M:%S')} host-1 docker/web[{MAIN_PID}]: {line.text}",
        "host-1/docker/web",
    ),
    "Docker Desktop": (lambda line: f"{line.at_second('%Y-%m-%d %H:%M:%S')} {line.text}", ""),
    "foreman": (lambda line: f"{line.at_second('%H:%M:%S')} web.1   | {line.text}", "web.1"),
    "pm2": (lambda line: f"0|app  | {line.text}", "0|app"),
    "pm2 --timestamp": (lambda line: f"0|app  | {line.at_second('%Y-%m-%dT%H:%M:%S')}: {line.text}", "0|app"),
    # Kubernetes
    "containerd (CRI)": (lambda line: f"{line.iso(9)}Z stderr F {line.text}", ""),
    "kubectl --timestamps": (lambda line: f"{line.iso(9)}Z {line.text}", ""),
    "kubectl --prefix": (lambda line: f"[pod/web-7d9f-x2x/gunicorn] {line.text}", "web-7d9f-x2x/gunicorn"),
    "kubectl --prefix --timestamps": (
        lambda line: f"[pod/web-7d9f-x2x/gunicorn] {line.iso(9)}Z {line.text}",
        "web-7d9f-x2x/gunicorn",
    ),
    "stern": (lambda line: f"{_POD} app {line.text}", f"{_POD} app"),
    "stern of a StatefulSet": (lambda line: f"web-0 app {line.text}", "web-0 app"),
    "stern of a DaemonSet, timestamps": (lambda line: f"web-x2xzq app {line.iso(9)}Z {line.text}", "web-x2xzq app"),
    "stern --all-namespaces": (lambda line: f"shop {_POD} app {line.text}", f"shop {_POD} app"),
    "stern -o json": (
        lambda line: _json(
            message=line.text, nodeName="node-1", namespace="shop", podName="web-0", containerName="app", labels={}
        ),
        "shop/web-0/app",
    ),
    "stern, coloured, with a bar": (
        lambda line: f"\x1b[32m{_POD}\x1b[0m \x1b[32mapp\x1b[0m | {line.text}",
        f"{_POD} app",
    ),
    "stern --timestamps": (lambda line: f"{_POD} app {line.iso(9)}Z {line.text}", f"{_POD} app"),
    "kubetail": (lambda line: f"[{_POD} app] {line.text}", f"{_POD} app"),
    "kail": (lambda line: f"default/{_POD}[app]: {line.text}", f"default/{_POD}[app]"),
    # systemd and syslog
    "journalctl": (
        lambda line: f"{line.at_second('%b %d %H:%M:%S')} host-1 gunicorn[{line.pid}]: {line.text}",
        "host-1/gunicorn",
    ),
    "journalctl, the main process's pid": (
        lambda line: f"{line.at_second('%b %d %H:%M:%S')} host-1 gunicorn[{MAIN_PID}]: {line.text}",
        "host-1/gunicorn",
    ),
    "journalctl, months in French": (
        lambda line: f"févr. {line.at_second('%d %H:%M:%S')} host-1 gunicorn[{MAIN_PID}]: {line.text}",
        "host-1/gunicorn",
    ),
    "journalctl -o short-iso": (
        lambda line: f"{line.at_second('%Y-%m-%dT%H:%M:%S+00:00')} host-1 gunicorn[{line.pid}]: {line.text}",
        "host-1/gunicorn",
    ),
    "journalctl -o short-iso, old": (
        lambda line: (
            f"{line.at.astimezone(timezone(timedelta(hours=2))):%Y-%m-%dT%H:%M:%S%z} "
            f"host-1 gunicorn[{line.pid}]: {line.text}"
        ),
        "host-1/gunicorn",
    ),
    "journalctl -o short-full": (
        lambda line: f"{line.at_second('%a %Y-%m-%d %H:%M:%S UTC')} host-1 gunicorn[{MAIN_PID}]: {line.text}",
        "host-1/gunicorn",
    ),
    "journalctl -o short-precise": (
        lambda line: f"{line.at_second('%b %d %H:%M:%S.%f')} host-1 gunicorn[{MAIN_PID}]: {line.text}",
        "host-1/gunicorn",
    ),
    "journalctl -o short-unix": (
        lambda line: f"{line.at.timestamp():.6f} host-1 gunicorn[{MAIN_PID}]: {line.text}",
        "host-1/gunicorn",
    ),
    "journalctl -o short-monotonic": (
        lambda line: f"[{1000 + line.index / 1e3:12.6f}] host-1 gunicorn[{MAIN_PID}]: {line.text}",
        "host-1/gunicorn",
    ),
    "journalctl -o json": (
        lambda line: _json(
            MESSAGE=line.text,
            _PID=str(line.pid),
            __REALTIME_TIMESTAMP=str(int(line.at.timestamp() * 1e6)),
            _HOSTNAME="host-1",
            _SYSTEMD_UNIT="web.service",
        ),
        "host-1/web.service",
    ),
    "journalctl -o json of a user's unit": (
        lambda line: _json(
            MESSAGE=line.text,
            _PID=str(line.pid),
            __REALTIME_TIMESTAMP=str(int(line.at.timestamp() * 1e6)),
            _HOSTNAME="host-1",
            _SYSTEMD_UNIT="user@1000.service",
            _SYSTEMD_USER_UNIT="web.service",
        ),
        "host-1/user@1000.service/web.service",
    ),
    "journalctl -o json of a container": (
        lambda line: _json(
            MESSAGE=line.text,
            _PID=str(MAIN_PID),
            __REALTIME_TIMESTAMP=str(int(line.at.timestamp() * 1e6)),
            _HOSTNAME="host-1",
            _SYSTEMD_UNIT="docker.service",
            CONTAINER_NAME="web-1",
            CONTAINER_ID="0a1b2c3d4e5f",
        ),
        "host-1/web-1",
    ),
    "journalctl -o json, the main process's pid": (
        lambda line: _json(
            MESSAGE=line.text,
            _PID=str(MAIN_PID),
            SYSLOG_IDENTIFIER="gunicorn",
            __REALTIME_TIMESTAMP=str(int(line.at.timestamp() * 1e6)),
        ),
        "",
    ),
    "journalctl -o json, bytes": (
        lambda line: _json(
            __REALTIME_TIMESTAMP=str(int(line.at.timestamp() * 1e6)),
            _PID=str(line.pid),
            MESSAGE=list(line.text.encode()) or "",
        ),
        "",
    ),
    "syslog RFC 3164": (
        lambda line: f"<30>{line.at_second('%b %d %H:%M:%S')} host-1 web[{line.pid}]: {line.text}",
        "host-1/web",
    ),
    "syslog without pid": (
        lambda line: f"{line.at_second('%b %d %H:%M:%S')} host-1 web: {line.text}",
        "host-1/web",
    ),
    "rsyslog's file format": (
        lambda line: f"{line.iso()}+00:00 host-1 web[{MAIN_PID}]: {line.text}",
        "host-1/web",
    ),
    "syslog RFC 5424": (
        lambda line: f'<30>1 {line.iso()}Z host-1 web {line.pid} - [meta seq="{line.index}"] {line.text}',
        "host-1/web",
    ),
    "syslog RFC 5424, nil": (
        lambda line: f"<30>1 {line.iso()}Z host-1 web {line.pid} - - {line.text}",
        "host-1/web",
    ),
    "multilog": (lambda line: f"{_tai64n(line.at)} {line.text}", ""),
    "svlogd -tt": (lambda line: f"{line.at_second('%Y-%m-%d_%H:%M:%S.%f')[:-1]} {line.text}", ""),
    # clouds
    "Heroku": (lambda line: f"{line.iso()}+00:00 app[web.1]: {line.text}", "web.1"),
    "Papertrail": (
        lambda line: f"{line.at_second('%b %d %H:%M:%S')} my-app app/web.1: {line.text}",
        "my-app/app/web.1",
    ),
    "Cloud Foundry": (
        lambda line: (
            f"{line.at.astimezone(timezone(timedelta(hours=10))):%Y-%m-%dT%H:%M:%S.%f%z} "
            f"[APP/PROC/WEB/0] ERR {line.text}"
        ),
        "APP/PROC/WEB/0",
    ),
    "Azure App Service": (lambda line: f"{line.iso(9)}Z {line.text}", ""),
    "Google App Engine": (
        lambda line: f"{line.at_second('%Y-%m-%d %H:%M:%S')} default[20250722t155838]  {line.text}",
        "default[20250722t155838]",
    ),
    "gcloud logging table": (lambda line: f"{line.iso(9)}Z  ERROR     {line.text}", ""),
    "Cloud Run JSON": (
        lambda line: _json(
            textPayload=line.text, timestamp=line.iso() + "Z", severity="ERROR", labels={"instanceId": "00fa"}
        ),
        "00fa",
    ),
    "Google Kubernetes Engine JSON": (
        lambda line: _json(
            insertId="x1",
            textPayload=line.text,
            timestamp=line.iso(9) + "Z",
            resource={"labels": {"pod_name": _POD}, "type": "k8s_container"},
        ),
        _POD,
    ),
    "CloudWatch tail": (lambda line: f"{line.iso()}+00:00 ecs/web/0a1b2c {line.text}", "ecs/web/0a1b2c"),
    "CloudWatch, copied": (lambda line: f"{line.iso()[:-3]}Z\t{line.text}", ""),
    "CloudWatch CSV": (lambda line: f"{int(line.at.timestamp() * 1000)},{_csv(line.text)}", ""),
    "CloudWatch events JSON": (
        lambda line: _json(
            timestamp=int(line.at.timestamp() * 1000), message=line.text, ingestionTime=1, logStreamName="web/1"
        ),
        "web/1",
    ),
    "CloudWatch Insights JSON": (
        lambda line: _json(**{"@timestamp": line.at_second("%Y-%m-%d %H:%M:%S.%f")[:-3], "@message": line.text}) + ",",
        "",
    ),
    "ECS FireLens JSON": (
        lambda line: _json(
            source="stderr", log=line.text, container_id="0a1b", container_name="/ecs-web", ecs_cluster="main"
        ),
        "/ecs-web",
    ),
    "Render": (lambda line: f"{line.iso(9)}Z {line.text}", ""),
    "Fly.io": (lambda line: f"{line.iso(9)}Z app[148e21] ams [info]{line.text}", "app[148e21]"),
    "DigitalOcean": (lambda line: f"[web] [{line.at_second('%Y-%m-%d %H:%M:%S')}] {line.text}", "web"),
    # log shippers and services
    "pretty-printed JSON": (lambda line: f'    "message": {json.dumps(line.text)},', ""),
    "pretty-printed Grafana JSON": (lambda line: f'    "line": {json.dumps(line.text)},', ""),
    "Loki": (lambda line: _json(timestamp=line.iso() + "Z", line=line.text), ""),
    "Loki with labels": (
        lambda line: _json(
            labels={"pod": _POD, "app": "web"}, timestamp=str(int(line.at.timestamp() * 1e9)), line=line.text
        ),
        _POD,
    ),
    "fluentd": (
        lambda line: f"{line.iso(9)}+00:00 app.web: " + _json(log=line.text + "\n", stream="stderr"),
        "app.web",
    ),
    "fluentd file": (
        lambda line: f"{line.at_second('%Y-%m-%dT%H:%M:%S')}+00:00\tdocker.web\t" + _json(log=line.text),
        "docker.web",
    ),
    "Fluent Bit": (lambda line: _json(date=round(line.at.timestamp(), 6), log=line.text, stream="stderr"), ""),
    "Fluent Bit without newlines": (lambda line: _json(log=line.text, stream="stderr", time=line.iso(9) + "Z"), ""),
    "Fluent Bit, Kubernetes": (
        lambda line: _json(
            time=line.iso(9) + "Z", stream="stderr", _p="F", log=line.text, kubernetes=dict(_KUBERNETES, labels={})
        ),
        f"default/{_POD}/app",
    ),
    "Filebeat": (
        lambda line: _json(
            **{"@timestamp": line.iso()[:-3] + "Z"},
            message=line.text,
            agent={"type": "filebeat"},
            host={"name": "node-1"},
            kubernetes={"pod": {"name": _POD}},
            stream="stderr",
        ),
        _POD,
    ),
    "Kibana export": (
        lambda line: _json(_index="logs", _source={"@timestamp": line.iso() + "Z", "message": line.text}),
        "",
    ),
    "Elastic, message within log": (lambda line: _json(log={"message": line.text, "level": "info"}), ""),
    "Vector": (
        lambda line: _json(
            file="/var/log/web.log", host="host-1", message=line.text, source_type="file", timestamp=line.iso(9) + "Z"
        ),
        "host-1",
    ),
    "Datadog JSON": (
        lambda line: _json(
            id="AQ", content={"timestamp": line.iso() + "Z", "host": "host-1", "service": "web", "message": line.text}
        ),
        "host-1",
    ),
    "Datadog API JSON": (
        lambda line: _json(
            id="AQ",
            type="log",
            attributes={"timestamp": line.iso() + "Z", "host": "host-1", "message": line.text, "status": "error"},
        ),
        "host-1",
    ),
    "Datadog CSV": (lambda line: f'{line.iso()[:-3]}Z,host-1,"web",{_csv(line.text)}', ""),
    "Splunk": (
        lambda line: _json(preview=False, offset=line.index, result={"_raw": line.text, "_time": line.iso() + "Z"}),
        "",
    ),
    "Splunk collector": (
        lambda line: _json(event=line.text, time=line.at.timestamp(), host="host-1", sourcetype="gunicorn"),
        "host-1",
    ),
    "Graylog": (
        lambda line: _json(version="1.1", host="host-1", short_message=line.text, timestamp=line.at.timestamp()),
        "host-1",
    ),
    "OpenTelemetry": (
        lambda line: _json(
            timeUnixNano=str(int(line.at.timestamp() * 1e9)), body={"stringValue": line.text}, severityText="INFO"
        ),
        "",
    ),
    "an unknown shipper": (lambda line: _json(message=line.text, at=line.iso() + "Z"), ""),
    # continuous integration
    "GitHub Actions": (lambda line: f"{line.iso(7)}Z {line.text}", ""),
    "gh run view --log": (lambda line: f"test\tRun server\t{line.iso(7)}Z {line.text}", "test"),
    "GitLab CI": (lambda line: f"{line.iso()}Z 01O {line.text}", ""),
    "Jenkins": (lambda line: f"[{line.iso()[:-3]}Z] {line.text}", ""),
    "concurrently": (lambda line: f"[web] {line.text}" if line.text.startswith("[") else line.text, ""),
    # pastes and files
    "indented paste": (lambda line: f"    {line.text}", ""),
    "quoted mail": (lambda line: f"> {line.text}", ""),
    "quoted twice": (lambda line: f"> > {line.text}", ""),
    "cat -n": (lambda line: f"{line.index + 1:6}\t{line.text}", ""),
    "less -N": (lambda line: f"{line.index + 1:7} {line.text}", ""),
    "grep -n": (lambda line: f"{line.index + 1}:{line.text}", ""),
    "grep with file names": (lambda line: f"/var/log/web.log:{line.text}", "/var/log/web.log"),
    "grep -n in context": (
        lambda line: (
            f"web.log:{line.index}:{line.text}" if "gunicorn" in line.text else f"web.log-{line.index}-{line.text}"
        ),
        "web.log",
    ),
    "Windows line ends": (lambda line: f"{line.text}\r", ""),
    "byte order mark": (lambda line: ("\ufeff" if line.index == 0 else "") + line.text, ""),
    "zero bytes": (lambda line: "\0\0" * (line.index % 3 == 1) + line.text + "\0" * (line.index % 5 == 0), ""),
}
