"""A frame to its owner: application, library, standard library or gunicorn, and the dotted module it belongs to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from gtdiag.model.report import Owner
from gtdiag.model.stacks import Frame
from gtdiag.rules.frameworks import known_packages

_SITE_PACKAGES = re.compile(r"(?:^|[\\/])(?:site-packages|dist-packages)[\\/](.+)$")
_STDLIB = re.compile(
    r"(?:[\\/](?:lib|lib64)[\\/](?:python|pypy)\d[^\\/]*[\\/]|[Pp]ython[\d.]*[\\/]Lib[\\/]|python\d+\.zip[\\/])(.+)$"
)
_FROZEN = re.compile(r"^<frozen (.+)>$")
_ARBITER_FILE = re.compile(r"^(.*[\\/])gunicorn[\\/]arbiter\.py$")
_CYTHON = re.compile(r"\.(?:pyx|pxi|pxd)$")
_SCRIPT = re.compile(r"[\\/](?:bin|Scripts)[\\/](?:gunicorn|uvicorn)[\w.-]*$")


@dataclass(frozen=True, slots=True)
class OwnedFrame:
    """A frame with its owner and its dotted module ("requests.sessions"; empty where the path tells none)."""

    frame: Frame
    owner: Owner
    module: str

    @property
    def package(self) -> str:
        """The top-level package of a library's or the standard library's frame."""
        return self.module.partition(".")[0]

    @property
    def is_module_body(self) -> bool:
        """Whether the frame is the top level of a module, run by an import."""
        return self.frame.function == "<module>"


class CodeOwnership:
    """Tells application code from the rest, by path and by what gunicorn was told to load.

    Application code is what is neither standard library, nor in site-packages or dist-packages, nor gunicorn. A folder
    made by `pip install --target` is recognised by gunicorn lying in it (every worker's stack begins in its arbiter);
    an application that is installed as a package, by being the module gunicorn was told to load.
    """

    def __init__(self) -> None:
        self._application_package = ""
        self._working_directory = ""
        self._library_roots: set[str] = set()
        self._cache: dict[Frame, OwnedFrame] = {}

    def set_application(self, application: str | None, working_directory: str | None) -> None:
        """What gunicorn was told to load ("package.module:app"), and from where."""
        self._application_package = re.split(r"[.:(]", application or "", maxsplit=1)[0].strip()
        self._working_directory = (working_directory or "").rstrip("/")
        self._cache.clear()

    def own_frames(self, frames: Iterable[Frame]) -> tuple[OwnedFrame, ...]:
        """Each frame with its owner; also learns where libraries lie from gunicorn's own frames among them."""
        frames = tuple(frames)
        for frame in frames:
            found = _ARBITER_FILE.match(frame.file)
            if found and found.group(1) and found.group(1) not in self._library_roots:
                self._library_roots.add(found.group(1))
                self._cache.clear()
        return tuple(self._own(frame) for frame in frames)

    def is_application(self, file: str) -> bool:
        """Whether code in this file is the application's own."""
        return self._classify(file)[0] is Owner.APP

    def _own(self, frame: Frame) -> OwnedFrame:
        owned = self._cache.get(frame)
        if owned is None:
            if len(self._cache) > 20_000:  # bounds memory over days of watching; refilled at once
                self._cache.clear()
            owner, module = self._classify(frame.file)
            owned = self._cache[frame] = OwnedFrame(frame, owner, module)
        return owned

    def _classify(self, file: str) -> tuple[Owner, str]:
        frozen = _FROZEN.match(file)
        if frozen:
            return Owner.STDLIB, frozen.group(1)
        if file.startswith("<"):
            return Owner.STDLIB, ""  # code made at run time: namedtuple, dataclass, eval
        library_path = self._library_path(file)
        if library_path is not None:
            return self._library_owner(_module_of(library_path))
        stdlib = _STDLIB.search(file)
        if stdlib:
            return Owner.STDLIB, _module_of(stdlib.group(1))
        if _SCRIPT.search(file):
            return Owner.GUNICORN, "gunicorn"
        return Owner.APP, ""

    def _library_path(self, file: str) -> str | None:
        """The path below the folder of libraries, or None for a file that lies in no such folder."""
        installed = _SITE_PACKAGES.search(file)
        if installed:
            return installed.group(1)
        for root in self._library_roots:
            if file.startswith(root) and not _STDLIB.search(file):
                path = file[len(root) :]
                # Libraries put straight into the application's own folder: only known names tell them apart.
                beside_application = root.rstrip("/") == self._working_directory
                return path if not beside_application or path.partition("/")[0] in known_packages() else None
        shortened = file.replace("\\", "/")
        elided = shortened.startswith(".../")
        relative = shortened.removeprefix(".../").removeprefix("./").removeprefix("src/")
        if not relative.startswith("/") and (elided or relative.partition("/")[0] in known_packages()):
            return relative if "/" in relative else None
        if not relative.startswith("/") and _CYTHON.search(relative):
            return _from_known_package(relative)
        return None

    def _library_owner(self, module: str) -> tuple[Owner, str]:
        package = module.partition(".")[0]
        if package == self._application_package and package:
            return Owner.APP, module
        return (Owner.GUNICORN if package == "gunicorn" else Owner.LIBRARY), module


def _from_known_package(path: str) -> str | None:
    """`python/grpcio/grpc/_cython/aio/call.pyx.pxi` from the package on: Cython keeps the path it was built under."""
    parts = path.split("/")
    known = known_packages()
    found = next((place for place, part in enumerate(parts[:-1]) if part in known), None)
    return None if found is None else "/".join(parts[found:])


def _module_of(path: str) -> str:
    """`requests/sessions.py` to "requests.sessions", "redis/__init__.py" to "redis"."""
    stem = re.sub(r"\.(?:py|pyx|pyx\.pxi|pxi|pyc|so|pyd)$", "", path.replace("\\", "/"))
    return stem.removesuffix("/__init__").replace("/", ".")
