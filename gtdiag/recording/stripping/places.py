"""What happens to each text that an event can hold, by where it stands. A place that is not listed is masked."""

from __future__ import annotations

import enum


class Treatment(enum.Enum):
    """What becomes of a text."""

    KEEP = "a word of gtdiag's, gunicorn's, Python's or the kernel's"
    HOST = "a host's name or address: a pseudonym"
    ADDRESS = "address and port, or a unix socket's path: the port stays"
    URL = "scheme and port stay"
    FOLDER = "the folder of the application"
    MODULE = "what gunicorn was told to load"
    CLASS = "a class of a worker or an awaitable"
    LOG_FILE = "a log's name: a pseudonym"
    STREAM = "a container's or pod's name: a pseudonym"
    DATA_FILE = "a file that is read: only the kind of file stays"
    PROCESS = "a process's name: that of well-known programs stays"
    THREAD = "a thread's name: what Python calls it by itself stays"
    TASK = "a task's name: what Python calls it by itself stays"
    REQUEST_PATH = "the path of a request: a pseudonym"
    REQUEST_KEY = "tells one request from another: a pseudonym"
    REQUEST_ID = "the request's id: a pseudonym"
    METHOD = "a well-known HTTP method stays"
    SENTENCE = "what a log said: well-known words stay"
    TEXT = "what gtdiag said: values in it are replaced"
    DROP = "left out"


_KEPT = """
Origin.source ObservationStarted.kind ObservationEnded.reason CollectionGap.what MasterStarted.version
MasterSettings.version MasterSettings.python MasterSettings.settings_source MasterSettings.heartbeat_filesystem
MasterSignalled.signal WorkerProgressed.step WorkerSignalled.signal TracebackLogged.kind ProcessSample.state
ProcessSample.wchan StackSample.wchan CpuSample.pressure_of SuspendedCode.kind WaitedDescriptor.kind KernelWait.state
KernelWait.function KernelWait.system_call Connection.family Connection.state Connection.protocol
"""

TREATMENTS: dict[str, Treatment] = {
    **dict.fromkeys(_KEPT.split(), Treatment.KEEP),
    "Origin.file": Treatment.LOG_FILE,
    "Origin.stream": Treatment.STREAM,
    "ObservationStarted.files": Treatment.LOG_FILE,
    "ObservationStarted.hostname": Treatment.HOST,
    "CollectionGap.why": Treatment.TEXT,
    "CollectionGap.hint": Treatment.TEXT,
    "MasterListening.address": Treatment.URL,
    "WorkerClassAnnounced.worker_class": Treatment.CLASS,
    "MasterSettings.worker_class": Treatment.CLASS,
    "MasterSettings.application": Treatment.MODULE,
    "MasterSettings.working_directory": Treatment.FOLDER,
    "MasterShutDown.reason": Treatment.SENTENCE,
    "MasterHalted.reason": Treatment.SENTENCE,
    "WorkerSignalled.wording": Treatment.SENTENCE,
    "WorkerBootFailed.reason": Treatment.SENTENCE,
    "TracebackLogged.exception": Treatment.SENTENCE,
    "TracebackLogged.header": Treatment.SENTENCE,
    "TracebackLogged.method": Treatment.METHOD,
    "TracebackLogged.path": Treatment.REQUEST_PATH,
    "KernelOomKilled.process": Treatment.PROCESS,
    "KernelOomKilled.wording": Treatment.SENTENCE,
    "SuspendedSample.problems": Treatment.TEXT,
    "HealthSample.url": Treatment.URL,
    "HealthSample.error": Treatment.SENTENCE,
    "CgroupSample.kill_count_file": Treatment.DATA_FILE,
    "RequestInFlight.key": Treatment.REQUEST_KEY,
    "RequestInFlight.method": Treatment.METHOD,
    "RequestInFlight.path": Treatment.REQUEST_PATH,
    "RequestInFlight.query": Treatment.DROP,
    "RequestInFlight.client": Treatment.HOST,
    "RequestInFlight.request_id": Treatment.REQUEST_ID,
    "ThreadStack.name": Treatment.THREAD,
    "SuspendedCode.name": Treatment.TASK,
    "SuspendedCode.through": Treatment.TASK,
    "SuspendedCode.awaits": Treatment.CLASS,
    "PeerProcess.name": Treatment.PROCESS,
    "WaitedDescriptor.name": Treatment.DATA_FILE,
    "Connection.local": Treatment.ADDRESS,
    "Connection.peer": Treatment.ADDRESS,
    "Connection.peer_name": Treatment.HOST,
    "NamedHost.host": Treatment.HOST,
}
"""Frames, and the function and file of a named host, are code: they are treated whole, by whose code it is."""
