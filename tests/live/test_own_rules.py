"""A user's own rules on a real hang: watched, recorded, and read again with the same rules and without."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.live.gtdiag_command import run_gtdiag
from tests.live.hanging_start_up import hanging_start_up

pytestmark = [pytest.mark.live, pytest.mark.slow]

RULES = """\
[[rule]]
id = "acme.models"
category = "broker"
library = "acme-models"
modules = ["httpx"]
functions = ["get"]
reason = "asks the model service"
remedy = "ACME-R1"

[[remedy]]
id = "ACME-R1"
title = "Call the model team"
why = "{call} waits for the model service{at_peer}."
file = "models.md"
"""


def test_own_rules_watched_and_read_again(tmp_path: Path) -> None:
    rules, recording = tmp_path / "rules.toml", tmp_path / "recording.jsonl"
    rules.write_text(RULES)
    (tmp_path / "models.md").write_text("The model team is on call: **4711**.\n")
    with hanging_start_up(tmp_path, timeout_s=4, mute="model service") as (gunicorn, peer):
        options = ("--for", "8s", "--format", "json", "--rules", str(rules), "--record", str(recording))
        watched = run_gtdiag("watch", str(gunicorn.pid), *options).report()
    blames = [incident["blocked"] for incident in watched["incidents"]]
    assert len(blames) == 2
    for blocked in blames:
        assert (blocked["call"], blocked["category"], blocked["rule"]) == ("get_model_mapping", "broker", "acme.models")
        assert blocked["library"] == "acme-models"
    (first, *_) = watched["verdict"]["remedies"]
    assert first == {
        "id": "ACME-R1",
        "title": "Call the model team",
        "why": f"get_model_mapping waits for the model service ({peer}).",
        "how": "The model team is on call: **4711**.",
    }

    again = run_gtdiag("analyze", str(recording), "--rules", str(rules), "--format", "json").report()
    assert {**again, "source": None} == {**watched, "source": None}
    without = run_gtdiag("analyze", str(recording), "--format", "json", "--rules", "none").report()
    assert {incident["blocked"]["category"] for incident in without["incidents"]} == {"http"}
    assert "ACME-R1" not in str(without)
    text = run_gtdiag("analyze", str(recording), "--rules", str(rules)).stdout
    assert "Call the model team" in text and "4711" in text
