"""The kernel's records of what it killed; a log that may not be read says nothing."""

from __future__ import annotations

import pytest

from gtdiag.collectors.kernel_log import KernelLog, parse_record

KILLED = (
    "Memory cgroup out of memory: Killed process 812 (gunicorn) total-vm:400000kB, anon-rss:130000kB, file-rss:0kB, "
    "shmem-rss:0kB, UID:0 pgtables:400kB oom_score_adj:0"
)
SUMMARY = "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),oom_memcg=/x,task_memcg=/x,task=gunicorn,pid=812,uid=0"


@pytest.mark.parametrize(
    ("message", "pid"),
    [
        (KILLED, 812),
        (SUMMARY, None),
        ("oom_reaper: reaped process 812 (gunicorn), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB", None),
        ("usb 1-1: new device", None),
        ("", None),
    ],
)
def test_one_record_a_kill(message: str, pid: int | None) -> None:
    kill = parse_record(f"3,1234,98765432,-;{message}\n SUBSYSTEM=memory\n".encode())
    assert (kill.pid if kill else None) == pid
    assert kill is None or (kill.process, kill.cgroup) == ("gunicorn", True)


def test_a_log_that_may_not_be_read_says_nothing() -> None:
    log = KernelLog("/nonexistent/kmsg")
    assert log.read_kills() == []
    log.close()
