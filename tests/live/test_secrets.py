"""Fifty kinds of secret wherever gtdiag looks at a running server: none of them in anything that it writes."""

from __future__ import annotations

import contextlib
import http.client
import json
from pathlib import Path

import pytest

from tests.environments import NEWEST, standard_environment
from tests.live.gtdiag_command import run_gtdiag
from tests.live.gunicorn_process import running_gunicorn
from tests.live.servers import mute_server
from tests.secret_samples import SAMPLES, leaked

pytestmark = [pytest.mark.live, pytest.mark.slow]

TIMEOUT_S = 4
PLAIN = [sample for sample in SAMPLES if "Canary" in sample.secret]


def test_none_of_them_is_written_anywhere(tmp_path: Path) -> None:
    """In the environment, on the command line, in arguments and locals of the call that hangs, and in its request."""
    metrics, recording = tmp_path / "gtdiag.prom", tmp_path / "watch.jsonl"
    secrets = "\n".join(sample.text for sample in SAMPLES)
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(mute_server())
        variables = {
            "SECRETS": secrets,
            "UPSTREAM_URL": f"http://{server.peer}/x?token={PLAIN[1].secret}",
            **{f"SECRET_{number}": sample.text for number, sample in enumerate(SAMPLES)},
        }
        gunicorn = stack.enter_context(
            running_gunicorn(
                standard_environment(NEWEST),
                "secrets_everywhere:application",
                folder=tmp_path,
                timeout_s=TIMEOUT_S,
                options=(
                    "--env",
                    f"DB_PASSWORD={PLAIN[2].secret}",
                    "--env",
                    f"DATABASE_URL={PLAIN[0].text.split()[-1]}",
                ),
                variables=variables,
            )
        )
        gunicorn.wait_for_workers(1)
        connection = stack.enter_context(
            contextlib.closing(http.client.HTTPConnection("127.0.0.1", gunicorn.port, timeout=60))
        )
        connection.request(
            "GET",
            "/hang?" + "&".join(f"a{number}={sample.secret}" for number, sample in enumerate(PLAIN)),
            headers={
                "Authorization": f"Bearer {PLAIN[3].secret}",
                "Cookie": f"session={PLAIN[4].secret}",
                "X-Api-Key": PLAIN[5].secret,
                "X-Request-Id": "request-1",
            },
        )
        watched = run_gtdiag(
            *("watch", str(gunicorn.pid), "--for", f"{TIMEOUT_S + 4}s", "--format", "json", "--json-events"),
            *("--record", str(recording), "--metrics", str(metrics)),
        )
        listed = [run_gtdiag("ps"), run_gtdiag("ps", "--format", "json"), run_gtdiag("doctor", str(gunicorn.pid))]
    report = watched.report()
    [incident] = [incident for incident in report["incidents"] if incident["kind"] == "worker_timeout"]
    assert incident["blocked"]["call"] == "fetch", "it looked where the secrets are"
    assert incident["request"]["path"].startswith("/hang")
    written = {
        "report": watched.stdout,
        "events": watched.stderr,
        "recording": recording.read_text(),
        "metrics": metrics.read_text(),
        **{f"list {number}": done.stdout + done.stderr for number, done in enumerate(listed)},
    }
    for name in ("text", "markdown", "html", "junit", "github", "speedscope", "collapsed"):
        again = run_gtdiag("analyze", str(recording), "--exit-zero", "--format", name)
        assert again.status == 0, again.stderr
        written[name] = again.stdout
    assert {name: leaked(output) for name, output in written.items() if leaked(output)} == {}
    assert "request-1" in json.dumps(report), "an id of a request is no secret"
