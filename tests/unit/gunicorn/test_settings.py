"""Effective settings from command line, environment and configuration file, in gunicorn's own order."""

from __future__ import annotations

import pytest

from gtdiag.gunicorn.settings import (
    configuration_path,
    merge_settings,
    parse_arguments,
    parse_configuration,
)


def test_defaults_are_gunicorns() -> None:
    settings = merge_settings([], {}, {})
    assert settings.number("timeout") == 30
    assert settings.number("workers") == 1
    assert settings.text("worker_class") == "sync"
    assert settings.best_source == "default"
    assert settings.application is None


def test_order_of_the_sources() -> None:
    arguments = ["-t", "1", "app:app"]
    environment = {"GUNICORN_CMD_ARGS": "--timeout 2 --workers=2", "WEB_CONCURRENCY": "9"}
    configuration = {"timeout": 3, "workers": 3, "worker_class": "gthread"}
    settings = merge_settings(arguments, environment, configuration)
    assert [settings.values[name] for name in ("timeout", "workers", "worker_class")] == ["1", "2", "gthread"]
    assert settings.sources["timeout"] == "command_line"
    assert settings.sources["workers"] == "environment"
    assert settings.sources["worker_class"] == "configuration_file"
    assert settings.application == "app:app"
    assert settings.best_source == "command_line"


def test_web_concurrency_is_the_default_of_workers() -> None:
    assert merge_settings([], {"WEB_CONCURRENCY": "5"}, {}).number("workers") == 5
    assert merge_settings(["-w", "2"], {"WEB_CONCURRENCY": "5"}, {}).number("workers") == 2


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-k", "uvicorn.workers.UvicornWorker", "app:app"], {"worker_class": "uvicorn.workers.UvicornWorker"}),
        (["--worker-class=gthread", "--thr", "4", "app:app"], {"worker_class": "gthread", "threads": "4"}),
        (["-w4", "-t9", "app:app"], {"workers": "4", "timeout": "9"}),
        (["--preload", "app:app"], {"preload_app": True}),
        (["--log-file", "a.log", "app:app"], {"errorlog": "a.log"}),
        (["--error-logfile", "-", "app:app"], {"errorlog": "-"}),
        (["--access-logfile", "a", "--umask", "7", "-u", "www", "--reload", "app:app"], {}),
    ],
)
def test_options(arguments: list[str], expected: dict[str, object]) -> None:
    found, positional = parse_arguments(arguments)
    assert found == expected
    assert positional == ["app:app"]


def test_arguments_that_are_not_gunicorns_are_named_not_raised() -> None:
    settings = merge_settings(["-w"], {"GUNICORN_CMD_ARGS": "'unclosed"}, {})
    assert len(settings.incomplete) == 2
    assert settings.number("workers") == 1


def test_configuration_reads_literals_and_runs_nothing() -> None:
    source = (
        "import multiprocessing, sys\n"
        "sys.exit('must not run')\n"
        "timeout = 5\n"
        "workers = multiprocessing.cpu_count() * 2 + 1\n"
        "worker_class: str = 'gevent'\n"
        "preload_app = True\n"
        "unknown = 1\n"
        "def when_ready(server):\n    pass\n"
    )
    values, computed = parse_configuration(source)
    assert values == {"timeout": 5, "worker_class": "gevent", "preload_app": True}
    assert computed == ["workers"]


def test_configuration_that_is_not_python() -> None:
    with pytest.raises(SyntaxError):
        parse_configuration("timeout = = 3")


@pytest.mark.parametrize(
    ("arguments", "environment", "path"),
    [
        ([], {}, "gunicorn.conf.py"),
        (["-c", "/etc/g.py"], {}, "/etc/g.py"),
        (["--config=file:g.py"], {}, "g.py"),
        (["-c", "python:conf"], {}, None),
        ([], {"GUNICORN_CMD_ARGS": "-c env.py"}, "env.py"),
        (["-c", "cli.py"], {"GUNICORN_CMD_ARGS": "-c env.py"}, "cli.py"),
    ],
)
def test_configuration_path(arguments: list[str], environment: dict[str, str], path: str | None) -> None:
    assert configuration_path(arguments, environment) == path


def test_numbers_that_are_none() -> None:
    settings = merge_settings(["-t", "soon"], {}, {})
    assert settings.number("timeout") is None
    assert settings.text("preload_app") is None
