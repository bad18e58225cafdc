"""Requests over several looks: how old each is at least, which one leads, and when they are forgotten."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gtdiag.analysis.requests import RequestTally
from gtdiag.model import events
from gtdiag.model.identity import Origin
from gtdiag.model.report import Phase
from gtdiag.model.requests import RequestInFlight
from tests.unit.analysis.story import Story, main_thread, moment

SLOW = RequestInFlight(
    key="a", method="GET", path="/slow", query="token=***", client="10.0.0.9", request_id="abc", age_s=3.0
)
OTHER = RequestInFlight(key="b", method="POST", path="/orders")
PID = 7


def test_a_request_is_as_old_as_the_worker_says_and_grows_from_look_to_look() -> None:
    tally = RequestTally()
    tally.add((SLOW, OTHER), moment(0))
    assert [request.seconds for request in tally.requests()] == [3.0, None]
    tally.add((replace(SLOW, age_s=8.0), OTHER), moment(5))
    assert [(request.path, request.seconds) for request in tally.requests()] == [
        ("/slow?token=***", 8.0),
        ("/orders", 5.0),
    ]


def test_an_age_that_wraps_around_does_not_make_a_request_younger() -> None:
    tally = RequestTally()
    tally.add((replace(SLOW, age_s=898.0),), moment(0))
    tally.add((replace(SLOW, age_s=3.0),), moment(5))
    assert [request.seconds for request in tally.requests()] == [903.0]


def test_another_request_of_the_same_path_begins_anew() -> None:
    tally = RequestTally()
    tally.add((OTHER,), moment(0))
    tally.add((replace(OTHER, key="c"),), moment(9))
    assert [request.seconds for request in tally.requests()] == [None]


@pytest.mark.parametrize(("on_main_thread", "path"), [(True, "/orders"), (False, "/slow?token=***")])
def test_the_request_on_the_main_thread_leads_else_the_longest(on_main_thread: bool, path: str) -> None:
    tally = RequestTally()
    tally.add((SLOW, replace(OTHER, on_main_thread=on_main_thread)), moment(0))
    leading = tally.leading()
    assert leading is not None
    assert leading.path == path


def seen(story: Story, at: float, *requests: RequestInFlight) -> None:
    story.told.append(
        events.RequestSample(
            origin=Origin("request"),
            at=moment(at),
            worker=story._worker(PID),
            resolution_s=0.01,
            requests=requests,
        )
    )


def timed_out_while_serving() -> Story:
    story = Story()
    story.master(version="21.2.0", timeout_s=30)
    story.boots(PID, at=0)
    story.beats(PID, at=20, age_s=18, ever=True)
    story.looks(PID, 20, main_thread("gunicorn/workers/sync.py:SyncWorker.handle", "app:slow", "std/socket.py:recv"))
    seen(story, 20, SLOW)
    return story


def test_an_incident_has_the_request_the_worker_was_handling() -> None:
    story = timed_out_while_serving()
    seen(story, 30, replace(SLOW, age_s=13.0))
    story.times_out(PID, at=32)
    seen(story, 32.5)  # the abort has ended it
    story.dies(PID, at=33, signal="SIGABRT")
    incident = story.incident()
    assert incident.phase is Phase.SERVING
    assert incident.request is not None
    assert (incident.request.method, incident.request.path) == ("GET", "/slow?token=***")
    assert (incident.request.seconds, incident.request.client, incident.request.request_id) == (13.0, "10.0.0.9", "abc")
    (worker,) = story.report().workers
    assert worker.request == incident.request
    assert worker.requests == (incident.request,)


def test_what_the_log_says_of_the_same_request_adds_nothing_and_of_another_one_wins() -> None:
    story = timed_out_while_serving()
    story.times_out(PID, at=32)
    story.traceback(PID, 32, "app:slow")  # GET /slow
    assert story.incident().request == story.report().workers[0].requests[0]
    story = timed_out_while_serving()
    seen(story, 30, OTHER)
    story.times_out(PID, at=32)
    story.traceback(PID, 32, "app:slow")
    request = story.incident().request
    assert request is not None
    assert (request.method, request.path, request.client) == ("GET", "/slow", None)


def test_a_heartbeat_after_the_look_ends_what_was_seen() -> None:
    story = timed_out_while_serving()
    story.beats(PID, at=24, age_s=1, ever=True)
    (worker,) = story.report().workers
    assert worker.requests == ()
    assert worker.request is None


def test_a_heartbeat_before_the_look_ends_nothing() -> None:
    story = timed_out_while_serving()
    story.beats(PID, at=24, age_s=22, ever=True)
    assert len(story.report().workers[0].requests) == 1
