"""Facts of a host and a master where nothing stands in the way, for tests that change one of them."""

from __future__ import annotations

import dataclasses
from typing import Any

from gtdiag.model.observability import (
    Attempt,
    CgroupFacts,
    HostFacts,
    LogFacts,
    MasterFacts,
    ObservabilityFacts,
    OwnFacts,
    PlaceFacts,
    ProcessFacts,
)

YES = Attempt(True)


def process(pid: int) -> ProcessFacts:
    return ProcessFacts(
        pid=pid,
        user_id=33,
        dumpable=True,
        more_capable=False,
        descriptors=YES,
        memory=YES,
        vm_read=YES,
        system_calls=YES,
    )


GOOD = ObservabilityFacts(
    own=OwnFacts(user_id=33, capabilities=frozenset({"SYS_PTRACE"}), seccomp=0, vm_read=YES, host_users=True),
    host=HostFacts(
        hidepid="off",
        yama_scope=None,
        py_spy_path="/venv/bin/py-spy",
        py_spy=YES,
        py_spy_version="0.4.1",
        journal=YES,
        kernel_log=YES,
        cgroup=CgroupFacts(version=2, limit_bytes=512 * 1024 * 1024, oom_kill=0),
    ),
    master=MasterFacts(
        process=process(7),
        is_gunicorn=True,
        place=PlaceFacts(
            same_pids=True,
            inner_pid=7,
            clock_offset_s=0.0,
            same_mounts=True,
            root=YES,
            same_network=True,
            sockets=YES,
            traffic=YES,
        ),
        log=LogFacts(shown="/var/log/gunicorn.log", followed=True),
        version="27.0.1",
        worker_class="sync",
        timeout_s=30.0,
        settings_from="memory",
        settings_doubt="",
        settings_hint="",
        python="3.12.4",
        python_known=True,
        interpreter=YES,
        stacks=YES,
        control_socket=True,
        workers=(process(8), process(9)),
        heartbeats=2,
    ),
)


def change(value: Any, path: str, new: Any) -> Any:
    """A copy with the field at `path` ("master.place.root") changed; "workers" on the way means each of them."""
    if isinstance(value, tuple):
        return tuple(change(item, path, new) for item in value)
    name, _, rest = path.partition(".")
    before = getattr(value, name)
    return dataclasses.replace(value, **{name: change(before, rest, new) if rest else new})
