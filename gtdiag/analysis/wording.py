"""Findings in words: short, true, and ready to be pasted into a chat."""

from __future__ import annotations

from gtdiag.model.report import Blocked, Category, How, WaitingOn
from gtdiag.rules.condition_words import describe_condition, describe_peer

_WHAT = {
    Category.DATABASE: "a database call",
    Category.CACHE: "a cache call",
    Category.BROKER: "a message broker call",
    Category.HTTP: "an HTTP call",
    Category.DNS: "name resolution (DNS)",
    Category.ROUTER: "router set-up",
    Category.IMPORT: "an import",
    Category.MODEL_LOAD: "loading a model",
    Category.FILESYSTEM: "the file system",
    Category.LOCK: "a lock",
    Category.SUBPROCESS: "a child process",
    Category.SLEEP: "a sleep",
    Category.CPU: "computing",
    Category.NETWORK: "a network call",
    Category.UNKNOWN: "a call of unknown kind",
}

_HOW = {
    How.ASYNCIO_TASK: "the await chain of the asyncio task, read from the worker's memory",
    How.GREENLET: "the stack of the waiting greenlet, read from the worker's memory",
    How.THREAD: "the stack of the worker's main thread",
    How.EXECUTOR: "the await chain and the stack of the pool thread that runs the call",
    How.LOG_TRACEBACK: "the interrupted worker's own traceback in the log",
    How.SOCKET: "the socket the worker waits on",
    How.KERNEL: "what the kernel says the worker waits for",
}


def describe_category(category: Category) -> str:
    """What a category means: "a database call"."""
    return _WHAT[category]


def describe_how(how: How) -> str:
    """By which evidence a blame was found."""
    return _HOW[how]


def name_call(blocked: Blocked) -> str:
    """The call by its name: the application's function, else the library's."""
    if blocked.call and blocked.call != "<module>":
        return blocked.call
    if blocked.call and blocked.file:
        return f"the top level of {blocked.file.replace(chr(92), '/').rpartition('/')[2]}"
    if blocked.library == "gunicorn":
        return "gunicorn itself, outside of the application"
    library_call = ".".join(part for part in (blocked.library, blocked.library_call) if part)
    return library_call or describe_category(blocked.category)


def describe_wait(blocked: Blocked) -> str:
    """What the call waits for: "database: asyncpg connect to 10.0.3.7:5432, TCP connected, 0 bytes back"."""
    words = [part for part in (blocked.library, _last_name(blocked.library_call)) if part]
    return blocked.category.value + (": " + " ".join(words) if words else "") + _describe_other_end(blocked.waiting_on)


def _describe_other_end(waiting: WaitingOn | None) -> str:
    """ " to 10.0.3.7:5432, SYN_SENT", " on /run/app.lock", ", waiting for the process ffmpeg"."""
    if waiting is None:
        return ""
    text = ""
    if waiting.peer:
        text += f" to the process {waiting.process_name} at" if waiting.process_name else " to"
        text += f" {describe_peer(waiting)}"
    elif waiting.process_name:
        text += f", waiting for the process {waiting.process_name}"
    elif waiting.file:
        text += f" on {waiting.file}"
    condition = describe_condition(waiting)
    if condition and (waiting.peer or waiting.condition):
        text += f", {condition}"
    return text


def _last_name(qualified: str | None) -> str | None:
    return qualified.rpartition(".")[2] if qualified else None


def describe_blocked(blocked: Blocked) -> str:
    """The call and what it waits for: "verify_migrations (database: asyncpg connect to 10.0.3.7:5432, SYN_SENT)"."""
    if blocked.call is None and blocked.library is None:
        return name_call(blocked) + _describe_other_end(blocked.waiting_on)
    wait = describe_wait(blocked)
    return name_call(blocked) + (f" ({wait})" if wait != Category.UNKNOWN.value else "")


def count_of(number: int, word: str) -> str:
    """ "1 worker", "2 workers"."""
    return f"{number} {word}" + ("" if number == 1 else "s")


def seconds_in_words(seconds: float) -> str:
    """ "27 s", "4.2 s", "12 min"."""
    if seconds >= 600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds:.0f} s" if seconds >= 10 or seconds == int(seconds) else f"{seconds:.1f} s"


def pids_in_words(pids: tuple[int, ...]) -> str:
    """ "7, 8, 9" with long lists cut."""
    shown = ", ".join(str(pid) for pid in pids[:8])
    return shown + (f" and {len(pids) - 8} more" if len(pids) > 8 else "")


def bytes_in_words(size_bytes: int) -> str:
    """ "251 MiB", "1.5 GiB"."""
    if size_bytes >= 1 << 30:
        return f"{size_bytes / (1 << 30):.1f} GiB"
    return f"{size_bytes / (1 << 20):.0f} MiB" if size_bytes >= 10 << 20 else f"{size_bytes / (1 << 20):.1f} MiB"
