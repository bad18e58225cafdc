"""An event to the same event without others' values: hosts, addresses, paths, users, requests, texts."""

from __future__ import annotations

import dataclasses
import enum
import re
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from gtdiag.model.events import Event
from gtdiag.model.stacks import Frame, NamedHost
from gtdiag.recording.stripping.places import TREATMENTS, Treatment
from gtdiag.recording.stripping.pseudonyms import Pseudonyms
from gtdiag.recording.stripping.stripped_paths import PathStripper
from gtdiag.recording.stripping.stripped_text import MASK, TextStripper
from gtdiag.rules.public_words import public_words
from gtdiag.rules.services import match_peer

AnyEvent = TypeVar("AnyEvent", bound=Event)

_WORD = re.compile(r"[\w .,:+/()<>~-]{0,100}")
_METHODS = frozenset(["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"])
_THREAD_NAME = re.compile(
    r"^(?:MainThread|Thread-\d+|Dummy-\d+|ThreadPoolExecutor-\d+_\d+|asyncio_\d+|AnyIO worker thread|QueueFeederThread"
    r"|QueueManagerThread|ExecutorManagerThread|waitpid-\d+|gunicorn.*)$"
)
_THREAD_OF_FUNCTION = re.compile(r"^(Thread-\d+) \((\w+)\)$")
_TASK_NAME = re.compile(r"^(?:Task-\d+|Greenlet-\d+|hub|main|<?(?:Greenlet|Hub|Task)\b[ \w-]{0,20}>?)$")
_CALL = re.compile(r"(?<![\w.])(?:[A-Za-z_]\w*)?(?:\.[A-Za-z_]\w*)*\(|\bfcntl\.")
_STRING = re.compile(r"'[^']*'?|\"[^\"]*\"?|#.*")
_TELLING_CALLS = ("time.sleep(", "sleep(", ".acquire(", "fcntl.", "os.waitpid(", ".cursor(")
"""What the analysis reads in a source line, where a log shows no more than that (an extension module's call)."""


class Ownership(Protocol):
    """Knows whose code a file is."""

    def is_application(self, file: str) -> bool:
        """Whether a frame in this file is the application's own."""


class Stripper:
    """Strips event after event; the same value gets the same pseudonym in all of them.

    `hide_names`: the application's own functions, classes, modules, files and folders are replaced too.
    """

    def __init__(self, ownership: Ownership, *, hide_names: bool = False) -> None:
        self.pseudonyms = Pseudonyms()
        self._ownership = ownership
        self._hide_names = hide_names
        self._paths = PathStripper(self.pseudonyms)
        self._texts = TextStripper(self.pseudonyms, self._paths, hide_names=hide_names)
        self._treat: dict[Treatment, Callable[[str], str | None]] = {
            Treatment.KEEP: lambda text: text if _WORD.fullmatch(text) else MASK,
            Treatment.HOST: self._paths.host,
            Treatment.ADDRESS: self._paths.address,
            Treatment.URL: lambda text: ",".join(map(self._paths.url, text.split(","))),
            Treatment.FOLDER: self._paths.hidden_folder if hide_names else self._paths.without_user,
            Treatment.MODULE: self._module,
            Treatment.CLASS: self._texts.class_name,
            Treatment.LOG_FILE: lambda text: text and self.pseudonyms.stand_in("log", text),
            Treatment.STREAM: lambda text: text and self.pseudonyms.stand_in("stream", text),
            Treatment.DATA_FILE: self._paths.data,
            Treatment.PROCESS: self._process,
            Treatment.THREAD: self._thread,
            Treatment.TASK: lambda text: text if _TASK_NAME.match(text) else self.pseudonyms.stand_in("task", text),
            Treatment.REQUEST_PATH: lambda text: "/" if text == "/" else "/" + self.pseudonyms.stand_in("path", text),
            Treatment.REQUEST_KEY: lambda text: self.pseudonyms.stand_in("request", text),
            Treatment.REQUEST_ID: lambda text: self.pseudonyms.stand_in("request-id", text),
            Treatment.METHOD: lambda text: text if text in _METHODS else MASK,
            Treatment.SENTENCE: self._texts.sentence,
            Treatment.TEXT: self._texts.text,
            Treatment.DROP: lambda text: None,
        }
        self._frames: dict[Frame, Frame] = {}

    def strip(self, event: AnyEvent) -> AnyEvent:
        """Return the event as it may leave the company."""
        stripped = self._strip(event, "")
        assert isinstance(stripped, type(event))
        return stripped

    def _strip(self, value: Any, place: str) -> Any:
        if isinstance(value, str) and not isinstance(value, enum.Enum):
            treatment = TREATMENTS.get(place)
            return MASK if treatment is None else self._treat[treatment](value)
        if isinstance(value, tuple):
            return tuple(self._strip(item, place) for item in value)
        if isinstance(value, Frame):
            return self._frame(value)
        if isinstance(value, NamedHost):
            code = self._frame(Frame(value.function, value.file))
            return NamedHost(code.function, code.file, self._paths.host(value.host), value.port)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            name = type(value).__name__
            changes = {
                field.name: self._strip(getattr(value, field.name), f"{name}.{field.name}")
                for field in dataclasses.fields(value)
            }
            return dataclasses.replace(value, **changes)
        return value

    def _frame(self, frame: Frame) -> Frame:
        known = self._frames.get(frame)
        if known is None:
            if len(self._frames) > 50_000:  # bounds memory; refilled at once
                self._frames.clear()
            known = self._frames[frame] = self._strip_frame(frame)
        return known

    def _strip_frame(self, frame: Frame) -> Frame:
        function, file = frame.function, self._paths.without_user(frame.file)
        if self._hide_names:
            if self._ownership.is_application(frame.file):
                function, file = self._paths.identifier(function), self._paths.hidden_code(frame.file)
            else:
                file = self._paths.hidden_library(frame.file)
        return dataclasses.replace(frame, function=function, file=file, source=self._source(frame.source))

    def _source(self, source: str | None) -> str | None:
        """What a line of source calls; its values, and in names that are hidden all but well-known calls, go."""
        if source is None:
            return None
        code = _STRING.sub("", source)
        calls = [call for call in _CALL.findall(code) if call != "("]
        if self._hide_names:
            calls = [call for call in _TELLING_CALLS if call in code]
        return " ".join(dict.fromkeys(calls)) or None

    def _module(self, text: str) -> str:
        without_arguments = re.sub(r"\(.*", "()", text, flags=re.DOTALL)
        return self._paths.identifier(without_arguments) if self._hide_names else without_arguments

    def _process(self, name: str) -> str:
        if "gunicorn" in name:
            return "gunicorn"
        known = match_peer(None, name) is not None or name in public_words("programs")
        return name if known else self.pseudonyms.stand_in("process", name)

    def _thread(self, name: str) -> str:
        of_function = _THREAD_OF_FUNCTION.match(name)
        if of_function:
            return of_function.group(1) if self._hide_names else name
        return name if _THREAD_NAME.match(name) else self.pseudonyms.stand_in("thread", name)
