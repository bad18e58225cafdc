"""A master's command line, environment and configuration file to its settings, in gunicorn's own order.

Nothing is executed: of a configuration file only plain assignments of literals are read.
"""

from __future__ import annotations

import argparse
import ast
import shlex
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NoReturn

from gtdiag.foreign_files import read_foreign
from gtdiag.gunicorn.command_line import parse_gunicorn_call
from gtdiag.gunicorn.proc_files import read_arguments, read_environment
from gtdiag.gunicorn.process_root import path_as_meant

OPTIONS_WITH_VALUE: Mapping[str, tuple[str, ...]] = {
    "config": ("-c", "--config"),
    "bind": ("-b", "--bind"),
    "workers": ("-w", "--workers"),
    "worker_class": ("-k", "--worker-class"),
    "threads": ("--threads",),
    "max_requests": ("--max-requests",),
    "timeout": ("-t", "--timeout"),
    "graceful_timeout": ("--graceful-timeout",),
    "chdir": ("--chdir",),
    "worker_tmp_dir": ("--worker-tmp-dir",),
    "errorlog": ("--error-logfile", "--log-file"),
    "logger_class": ("--logger-class",),
    "logconfig": ("--log-config",),
    "logconfig_json": ("--log-config-json",),
    "pythonpath": ("--pythonpath",),
    "paste": ("--paste", "--paster"),
    "proc_name": ("-n", "--name"),
    "pidfile": ("-p", "--pid"),
    "raw_env": ("-e", "--env"),
    "control_socket": ("--control-socket",),
}
"""The settings that matter here, with their options: the same in 20.1.0 to 27.0.1."""

OTHER_OPTIONS_WITH_VALUE = (
    *("--backlog", "--worker-connections", "--max-requests-jitter", "--keep-alive", "--limit-request-line"),
    *("--limit-request-fields", "--limit-request-field_size", "--reload-engine", "--reload-extra-file"),
    *("--forwarded-allow-ips", "--access-logfile", "--access-logformat", "--log-level", "--log-syslog-to"),
    *("--log-syslog-prefix", "--log-syslog-facility", "--statsd-host", "--dogstatsd-tags", "--statsd-prefix"),
    *("--proxy-allow-from", "--protocol", "--uwsgi-allow-from", "--keyfile", "--certfile", "--ssl-version"),
    *("--cert-reqs", "--ca-certs", "--ciphers", "--http-protocols", "--http2-cleartext"),
    *("--http2-max-concurrent-streams", "--http2-initial-window-size", "--http2-max-frame-size"),
    *("--http2-max-header-list-size", "--paste-global", "--forwarder-headers", "--header-map", "--asgi-loop"),
    *("--asgi-lifespan", "--asgi-disconnect-grace-period", "--websocket-max-message-size", "--http-parser"),
    *("--root-path", "--dirty-app", "--dirty-workers", "--dirty-timeout", "--dirty-threads"),
    *("--dirty-graceful-timeout", "--control-socket-mode", "-u --user", "-g --group"),
    "-m --umask",
)
FLAGS = (
    *("--reload", "--spew", "--check-config", "--print-config", "--no-sendfile", "--reuse-port", "-D --daemon"),
    *("--initgroups", "--disable-redirect-access-to-syslog", "--capture-output", "--log-syslog"),
    *("-R --enable-stdio-inheritance", "--enable-backlog-metric", "--suppress-ragged-eofs"),
    *("--do-handshake-on-connect", "--permit-obsolete-folding", "--strip-header-spaces"),
    *("--permit-unconventional-http-method", "--permit-unconventional-http-version", "--casefold-http-method"),
    "--no-control-socket",
)
DEFAULTS: Mapping[str, object] = {
    "workers": 1,
    "worker_class": "sync",
    "threads": 1,
    "timeout": 30,
    "graceful_timeout": 30,
    "max_requests": 0,
    "preload_app": False,
    "errorlog": "-",
}
DEFAULT_CONFIG = "gunicorn.conf.py"
"""In the working directory; found by itself since 19.4 (as ./gunicorn.conf.py in 20 and later)."""
MOST_BYTES = 256 * 1024
"""Of a configuration file: parsing takes hundreds of times the memory of the text."""
SOURCES = ("command_line", "environment", "configuration_file", "default")


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings by gunicorn's own names, and where each comes from.

    `incomplete`: why a value may be wrong (a configuration file that computes its values, a lost command line).
    """

    values: Mapping[str, object]
    sources: Mapping[str, str]
    application: str | None = None
    incomplete: tuple[str, ...] = field(default=())

    @property
    def best_source(self) -> str:
        """The strongest source that had a say."""
        return next((source for source in SOURCES if source in self.sources.values()), "default")

    def number(self, name: str) -> float | None:
        """A setting as a number; None where it is not one."""
        value = self.values.get(name)
        try:
            return float(value) if isinstance(value, (int, float, str)) else None
        except ValueError:
            return None

    def text(self, name: str) -> str | None:
        """A setting as text; None where it is not text."""
        value = self.values.get(name)
        return value if isinstance(value, str) else None


class _BadArgumentsError(Exception):
    """argparse could not make sense of the arguments."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise _BadArgumentsError(message)


def parse_arguments(arguments: Sequence[str]) -> tuple[dict[str, object], list[str]]:
    """Parse gunicorn's options (abbreviations too, as argparse allows them) to settings and positional arguments.

    Raises ValueError where they are not gunicorn's.
    """
    if not arguments:
        return {}, []
    try:
        known, _ = _parser().parse_known_args(list(arguments))
    except _BadArgumentsError as error:
        raise ValueError(str(error)) from None
    found = {name: value for name, value in vars(known).items() if not name.startswith("_")}
    positional = found.pop("args", [])
    return found, [str(word) for word in positional] if isinstance(positional, list) else []


@cache
def _parser() -> _Parser:
    """Made once: its hundred options take some 5 ms, and one reading of the settings parses up to four times."""
    parser = _Parser(add_help=False, argument_default=argparse.SUPPRESS)
    for name, options in OPTIONS_WITH_VALUE.items():
        parser.add_argument(*options, dest=name)
    parser.add_argument("--preload", dest="preload_app", action="store_true")
    for index, words in enumerate(OTHER_OPTIONS_WITH_VALUE):
        parser.add_argument(*words.split(), dest=f"_other{index}")
    parser.add_argument("--proxy-protocol", dest="_proxy", nargs="?", const="auto")
    for index, words in enumerate(FLAGS):
        parser.add_argument(*words.split(), dest=f"_flag{index}", action="store_true")
    parser.add_argument("args", nargs="*")
    return parser


def parse_configuration(source: str) -> tuple[dict[str, object], list[str]]:
    """Read the literal assignments of a configuration file; the names of settings that are computed come second.

    Raises SyntaxError or ValueError where it is not Python.
    """
    values: dict[str, object] = {}
    computed: list[str] = []
    interesting = {*OPTIONS_WITH_VALUE, "preload_app", "wsgi_app", "logconfig_dict"}
    with warnings.catch_warnings():
        # What Python would say of somebody else's file is not for the terminal of who watches it.
        warnings.simplefilter("ignore", SyntaxWarning)
        tree = ast.parse(source)
    for statement in ast.walk(tree):
        if isinstance(statement, ast.Assign):
            targets, value = statement.targets, statement.value
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            targets, value = [statement.target], statement.value
        else:
            continue
        for target in targets:
            if not isinstance(target, ast.Name) or target.id not in interesting:
                continue
            try:
                values[target.id] = ast.literal_eval(value)
            except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
                values.pop(target.id, None)
                computed.append(target.id)
    return values, computed


def merge_settings(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    configuration: Mapping[str, object],
    incomplete: Sequence[str] = (),
) -> Settings:
    """Put the sources together as gunicorn does: default, configuration file, GUNICORN_CMD_ARGS, command line."""
    values = dict(DEFAULTS)
    sources = dict.fromkeys(values, "default")
    problems = list(incomplete)
    concurrency = environment.get("WEB_CONCURRENCY", "")
    if concurrency.isdigit():
        values["workers"], sources["workers"] = int(concurrency), "environment"
    try:
        from_environment, _ = parse_arguments(shlex.split(environment.get("GUNICORN_CMD_ARGS", "")))
    except ValueError as error:
        from_environment = {}
        problems.append(f"GUNICORN_CMD_ARGS could not be read: {error}")
    try:
        from_arguments, positional = parse_arguments(arguments)
    except ValueError as error:
        from_arguments, positional = {}, []
        problems.append(f"the command line could not be read: {error}")
    for source, layer in (
        ("configuration_file", configuration),
        ("environment", from_environment),
        ("command_line", from_arguments),
    ):
        for name, value in layer.items():
            values[name], sources[name] = value, source
    wsgi_app = values.get("wsgi_app")
    application = positional[0] if positional else wsgi_app if isinstance(wsgi_app, str) else None
    return Settings(values=values, sources=sources, application=application, incomplete=tuple(problems))


def read_settings(pid: int) -> Settings:
    """Read what a running master was started with.

    Raises ProcessLookupError when it is gone. What may not be read is named in `incomplete`.
    """
    problems: list[str] = []
    call = parse_gunicorn_call(read_arguments(pid))
    arguments: tuple[str, ...] = ()
    if call is None:
        problems.append("gunicorn was started by another program, so its command line is not gunicorn's")
    elif call.arguments is None:
        problems.append("setproctitle has overwritten the command line")
    else:
        arguments = call.arguments
    try:
        environment = read_environment(pid) if call is None or call.arguments is not None else {}
    except PermissionError:
        environment = {}
        problems.append("the environment may not be read by this user")
    path = configuration_path(arguments, environment)
    configuration: dict[str, object] = {}
    if path is not None:
        text, denied = _read_beside(pid, path)
        if text is not None:
            try:
                configuration, computed = parse_configuration(text)
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                computed = []
                problems.append(f"{path} could not be read as Python")
            if computed:
                problems.append(f"{path} computes {', '.join(sorted(set(computed)))}")
        elif denied or path != DEFAULT_CONFIG:
            problems.append(f"the configuration file {path} could not be read")
    return merge_settings(arguments, environment, configuration, problems)


def configuration_path(arguments: Sequence[str], environment: Mapping[str, str]) -> str | None:
    """The configuration file gunicorn reads; None for a module (`python:name`)."""
    named: object = None
    for words in (arguments, _split(environment.get("GUNICORN_CMD_ARGS", ""))):
        try:
            named = named or parse_arguments(words)[0].get("config")
        except ValueError:
            continue
    if named is None:
        return DEFAULT_CONFIG
    path = str(named)
    if path.startswith("python:"):
        return None
    return path[len("file:") :] if path.startswith("file:") else path


def _read_beside(pid: int, path: str) -> tuple[str | None, bool]:
    """The file's text, and whether it was permission that was missing."""
    for candidate in (path_as_meant(pid, path), Path(path)):
        if candidate == Path(path) and not candidate.is_absolute():
            continue
        try:
            return read_foreign(candidate, MOST_BYTES).decode("utf-8", "replace"), False
        except PermissionError:
            continue
        except OSError:
            return None, False
    return None, True


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return []
