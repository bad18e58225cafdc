"""What may be read here, to the answer of each check: one row for each fact that changes one."""

from __future__ import annotations

import dataclasses
import typing
from typing import Any

import pytest

from gtdiag.analysis.observability import HOST_JUDGES, MASTER_JUDGES, diagnose
from gtdiag.model import observability as model
from gtdiag.model.observability import Attempt, CgroupFacts, Check, CheckStatus, Diagnosis, LogFacts, ObservabilityFacts
from gtdiag.rules.checks import read_check_texts
from tests.unit.observability_facts import GOOD, change

NO = Attempt(False, "because", "do this")
NAMES = {
    "no": NO,
    "no_log": LogFacts("stderr", False, "a pipe", "pipe it"),
    "guess": LogFacts("/x.log", True, "is taken for it", "name it"),
    "cgroup": lambda **facts: CgroupFacts(**{"version": 2, "limit_bytes": None, "oom_kill": 0, **facts}),
}

# Everything is fine but what the first column says ("w" is each worker, "m" the master, "p" its process).
# change                                                    | check           | status  | found
TABLE = """
own.user_id=0                                               | user            | ok      | the master runs as user 33
own.user_id=1000                                            | user            | ok      | the master runs as user 33
own.user_id=1000 w.memory=no                                | user            | missing | the master runs as user 33
m.process.user_id=None                                      | user            | limited | other users
own.host_users=False                                        | user            | ok      | user namespace
own.capabilities=None                                       | capabilities    | unknown | none
own.capabilities={'SYSLOG'}                                 | capabilities    | ok      | not needed
own.capabilities=set() w.memory=no                          | capabilities    | missing | no SYS_PTRACE
own.seccomp=2                                               | seccomp         | ok      | a filter
own.seccomp=None                                            | seccomp         | ok      | not shown
own.seccomp=2 own.vm_read=no                                | seccomp         | limited | even for gtdiag itself
host.yama_scope=0                                           | yama            | ok      | is 0
host.yama_scope=1                                           | yama            | ok      | which SYS_PTRACE lifts
host.yama_scope=1 own.capabilities=set()                    | yama            | ok      | waived
host.yama_scope=1 own.capabilities=set() w.memory=no        | yama            | missing | only parents
host.yama_scope=2 own.capabilities=set() w.memory=no        | yama            | missing | only SYS_PTRACE
host.yama_scope=3                                           | yama            | missing | no process
host.hidepid=None                                           | hidepid         | unknown | mount table
host.hidepid='invisible'                                    | hidepid         | ok      | this master is visible
host.hidepid='invisible' master=None                        | hidepid         | ok      | lifts
host.hidepid='invisible' master=None own.capabilities=set() | hidepid         | limited | hidden
host.py_spy_path='/p'                                       | py_spy          | ok      | 0.4.1, /p
host.py_spy_version='9'                                     | py_spy          | ok      | 9, /venv
host.py_spy=no                                              | py_spy          | missing | because
host.journal=no                                             | journal         | missing | because
host.kernel_log=no                                          | kernel_log      | missing | because
host.cgroup=None                                            | cgroup          | missing | no files
host.cgroup=cgroup(oom_kill=None)                           | cgroup          | limited | cannot be read
host.cgroup=cgroup(version=1)                               | cgroup          | ok      | version 1, no limit
host.cgroup=cgroup(limit_bytes=1048576)                     | cgroup          | ok      | limit 1 MiB
m.is_gunicorn=None                                          | gunicorn        | unknown | cannot be told
m.version=None                                              | gunicorn        | limited | unknown version
m.version='21.2.0'                                          | gunicorn        | ok      | 21.2.0
m.worker_class='gthread'                                    | gunicorn        | ok      | gthread
m.timeout_s=0.0                                             | gunicorn        | ok      | time-outs are off
w.memory=no                                                 | worker_memory   | missing | none of 2 workers can
m.workers=()                                                | worker_memory   | ok      | no worker now
m.workers=() p.memory=no                                    | worker_memory   | missing | not even the master
w.vm_read=no                                                | vm_read         | missing | because
w.system_calls=no                                           | system_calls    | missing | because
m.place.traffic=no                                          | traffic         | missing | because
m.place.same_network=None                                    | traffic         | unknown | perhaps
m.heartbeats=1                                              | heartbeat       | limited | 1 of 2
m.heartbeats=0 w.descriptors=no                             | heartbeat       | missing | because
m.workers=()                                                | heartbeat       | unknown | no worker now
w.dumpable=False                                            | dumpable        | ok      | readable all the same
w.dumpable=False w.memory=no                                | dumpable        | limited | not dumpable: 8, 9
w.more_capable=True w.memory=no                             | dumpable        | limited | that gtdiag lacks: 8, 9
w.dumpable=None p.dumpable=None w.memory=no                 | dumpable        | unknown | root
w.memory=no                                                 | dumpable        | ok      | none
m.interpreter=None                                          | interpreter     | unknown | 3.12.4
m.interpreter=no                                            | interpreter     | missing | because
m.interpreter=no p.memory=no                                | interpreter     | unknown | whose layout is known
m.interpreter=no p.memory=no m.python_known=False           | interpreter     | missing | not known
m.interpreter=no p.memory=no m.python=None                  | interpreter     | unknown | of unknown version
m.stacks=no                                                 | stacks          | missing | because
p.memory=no                                                 | master_memory   | missing | because
m.settings_from='control_socket'                            | settings        | ok      | from the control socket
m.settings_from='default' m.settings_doubt='computed'       | settings        | limited | defaults; computed
m.settings_doubt='x' m.settings_hint='y'                    | settings        | limited | x
m.control_socket=None                                       | control_socket  | ok      | not in this version
m.control_socket=False                                      | control_socket  | missing | does not answer
m.log=no_log                                                | log             | missing | a pipe
m.log=guess                                                 | log             | limited | is taken for it
m.place.same_pids=None                                      | pid_namespace   | unknown | may not
m.place.same_pids=False m.place.inner_pid=1                 | pid_namespace   | ok      | itself as 1
m.place.same_pids=False m.place.inner_pid=None              | pid_namespace   | limited | not shown
m.place.clock_offset_s=None                                 | time_namespace  | unknown | may not
m.place.clock_offset_s=90.0                                 | time_namespace  | ok      | 90 s ahead
m.place.clock_offset_s=-90.0                                | time_namespace  | ok      | 90 s behind
m.place.same_mounts=False                                   | mount_namespace | ok      | /proc/PID/root
m.place.same_mounts=None m.place.root=no                    | mount_namespace | limited | because
m.place.same_network=False                                  | network         | ok      | another network namespace
m.place.sockets=no                                          | network         | missing | because
w.descriptors=no                                            | network         | missing | descriptors are not
"""
ROWS = [[cell.strip() for cell in line.split(" | ")] for line in TABLE.strip().splitlines()]
SHORT = {"m": "master", "p": "master.process", "w": "master.workers"}


def changes_of(cell: str) -> dict[str, Any]:
    changes = {}
    for part in cell.split():
        place, _, value = part.partition("=")
        first, dot, rest = place.partition(".")
        changes[f"{SHORT.get(first, first)}{dot}{rest}"] = eval(value, dict(NAMES))
    return changes


def facts_of(cell: str) -> ObservabilityFacts:
    facts = GOOD
    for path, value in changes_of(cell).items():
        facts = change(facts, path, value)
    return facts


def check_of(diagnosis: Diagnosis, name: str) -> Check:
    [check] = [check for check in diagnosis.checks if check.id == name]
    return check


@pytest.mark.parametrize(("changed", "name", "status", "found"), ROWS)
def test_the_table(changed: str, name: str, status: str, found: str) -> None:
    check = check_of(diagnose(facts_of(changed)), name)
    assert (check.status.value, found in check.found) == (status, True), check
    assert (check.status is CheckStatus.OK) == (not check.cost) == (not check.hint)
    assert "{" not in check.hint


def test_where_nothing_stands_in_the_way_all_is_ok() -> None:
    diagnosis = diagnose(GOOD)
    assert {check.status for check in diagnosis.checks} == {CheckStatus.OK}
    assert (diagnosis.complete, diagnosis.first_step) == (True, "")
    assert diagnosis.summary == "Everything that matters of master 7 can be observed."


def test_every_fact_has_a_row() -> None:
    """A new fact fails here until the table says what follows from it."""
    changed = {path for row in ROWS for path in changes_of(row[0])}
    changed |= {f"host.cgroup.{name}" for row in ROWS if "cgroup(" in row[0] for name in ("version", "limit_bytes")}
    expected = {path for path in leaves(ObservabilityFacts, "") if not path.endswith(".pid")}
    covered = {path for path in expected if any(path == one or path.startswith(f"{one}.") for one in changed)}
    # Of master and workers, one of the two decides each check.
    twins = {path for path in expected - covered if path.startswith("master.process.")}
    covered |= {path for path in twins if path.replace("master.process.", "master.workers.") in covered}
    twins = {path for path in expected - covered if path.startswith("master.workers.")}
    covered |= {path for path in twins if path.replace("master.workers.", "master.process.") in changed}
    assert expected - covered == set()


def leaves(cls: type, prefix: str) -> set[str]:
    found = set()
    for field in dataclasses.fields(cls):
        hint = typing.get_type_hints(cls)[field.name]
        inner = [part for part in (hint, *typing.get_args(hint)) if dataclasses.is_dataclass(part)]
        inner = [part for part in inner if part not in (Attempt, LogFacts)]
        path = f"{prefix}{field.name}"
        found |= leaves(inner[0], f"{path}.") if inner else {path}  # type: ignore[arg-type]
    return found


def test_every_check_has_its_words_and_rows_for_both_ends() -> None:
    names = {*HOST_JUDGES, *MASTER_JUDGES}
    assert {text.id for text in read_check_texts()} == names
    assert {row[1] for row in ROWS if row[2] != "ok"} == names
    for text in read_check_texts():
        assert text.about in ("gtdiag", "host", "master", "workers")
        assert text.title and text.cost and text.hint
        assert len(text.cost) <= 110, "one short line"


def test_without_a_master_only_the_host_is_judged() -> None:
    diagnosis = diagnose(facts_of("master=None own.user_id=1000 own.capabilities=set()"))
    assert {check.id for check in diagnosis.checks} == set(HOST_JUDGES)
    assert check_of(diagnosis, "user").status is CheckStatus.LIMITED
    assert check_of(diagnosis, "capabilities").status is CheckStatus.LIMITED
    assert diagnosis.pid is None and diagnosis.workers is None
    assert diagnosis.complete, "nothing that matters is known to be missing"


def test_root_in_a_container_is_told_of_the_capability() -> None:
    facts = facts_of("own.user_id=0 own.capabilities={'DAC_OVERRIDE'} w.memory=no")
    check = check_of(diagnose(facts), "capabilities")
    assert "--cap-add SYS_PTRACE" in check.hint
    assert "DAC_OVERRIDE" in check.found


def test_only_what_matters_makes_it_incomplete() -> None:
    lesser = diagnose(facts_of("host.py_spy=no host.journal=no"))
    assert lesser.complete
    assert lesser.summary == "Everything that matters of master 7 can be observed; 2 lesser things are limited."
    for changed in ("w.memory=no", "m.heartbeats=1", "m.interpreter=no", "m.log=no_log", "m.version=None"):
        diagnosis = diagnose(facts_of(changed))
        assert not diagnosis.complete
        assert diagnosis.summary.startswith("Not everything that matters of master 7 can be observed: ")


def test_one_worker_of_two() -> None:
    assert GOOD.master is not None
    first, second = GOOD.master.workers
    facts = change(GOOD, "master.workers", (first, change(second, "memory", NO)))
    check = check_of(diagnose(facts), "worker_memory")
    assert (check.status, check.found) == (CheckStatus.LIMITED, "1 of 2 workers can be read, not 9: because")


def test_the_first_step_is_what_helps_most() -> None:
    facts = facts_of("w.memory=no w.vm_read=no m.heartbeats=0 w.descriptors=no m.log=no_log")
    assert diagnose(facts).first_step == "do this"
    assert diagnose(facts_of("m.interpreter=no")).first_step.startswith("run the application on")
    assert diagnose(facts_of("host.py_spy=no")).first_step.startswith("pip install py-spy")


def test_the_facts_are_all_of_the_model() -> None:
    used = {ObservabilityFacts, Attempt, LogFacts, CgroupFacts, Check, Diagnosis}
    used |= {type(part) for part in (GOOD.own, GOOD.host, GOOD.master, GOOD.master.process, GOOD.master.place)}  # type: ignore[union-attr]
    assert used == {cls for cls in vars(model).values() if isinstance(cls, type) and dataclasses.is_dataclass(cls)}
