"""Which argument lists are gunicorn, and with which arguments."""

from __future__ import annotations

import pytest

from gtdiag.gunicorn.command_line import GunicornCall, parse_gunicorn_call


@pytest.mark.parametrize(
    ("argv", "arguments"),
    [
        (["/srv/venv/bin/python", "/srv/venv/bin/gunicorn", "-w", "4", "app:app"], ("-w", "4", "app:app")),
        (["python3.11", "-m", "gunicorn", "app:app"], ("app:app",)),
        (["python", "-mgunicorn", "app:app"], ("app:app",)),
        (["python", "-u", "-X", "dev", "-W", "error", "-m", "gunicorn.app.wsgiapp", "a:b"], ("a:b",)),
        (["/usr/local/bin/gunicorn", "app:app"], ("app:app",)),
        (["pypy3", "/opt/bin/gunicorn"], ()),
    ],
)
def test_start_commands(argv: list[str], arguments: tuple[str, ...]) -> None:
    assert parse_gunicorn_call(argv) == GunicornCall(role=None, arguments=arguments)


@pytest.mark.parametrize(
    ("title", "role"),
    [
        ("gunicorn: master [app:app]", "master"),
        ("gunicorn: worker [app:app]", "worker"),
        ("gunicorn: dirty-arbiter", "dirty-arbiter"),
        ("gunicorn: dirty-worker [app:app]", "dirty-worker"),
    ],
)
def test_titles_of_setproctitle_lose_the_arguments(title: str, role: str) -> None:
    assert parse_gunicorn_call([title, "", ""]) == GunicornCall(role=role, arguments=None)


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["bash", "-c", "gunicorn app:app"],
        ["python", "-c", "import gunicorn", "gunicorn"],
        ["python", "manage.py", "gunicorn"],
        ["python", "-m", "uvicorn", "gunicorn"],
        ["vim", "/etc/gunicorn"],
        ["python"],
        ["uv", "run", "gunicorn", "app:app"],
    ],
)
def test_what_only_mentions_gunicorn(argv: list[str]) -> None:
    assert parse_gunicorn_call(argv) is None
