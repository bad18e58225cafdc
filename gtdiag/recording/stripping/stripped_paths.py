"""Addresses and paths of code, data and sockets to ones that name neither hosts, users nor what the company does."""

from __future__ import annotations

import re
from ipaddress import ip_address

from gtdiag.recording.stripping.pseudonyms import Pseudonyms
from gtdiag.rules.frameworks import known_packages
from gtdiag.rules.public_words import public_words
from gtdiag.rules.services import match_file, unix_service_part

_USER_FOLDER = re.compile(r"(/(?:home|Users)/)([^/\s'\":]+)")
_LIBRARY_FOLDER = re.compile(r"^(.*[\\/](?:site-packages|dist-packages|(?:lib|lib64)[\\/]python\d[^\\/]*))([\\/].*)$")
_VERSIONED = re.compile(r"^(?:python|pypy)?\d[\d.]*(?:\.zip)?$")
_IDENTIFIER = re.compile(r"<[\w ]+>|[A-Za-z_]\w*")
_STANDARD_SOCKETS = ("/dev/log", "/run/systemd/", "/var/run/syslog", "/var/run/nscd/socket", "/run/nscd/socket")
_SOCKET_NAME = re.compile(r"^\.s\.PGSQL\.\d{1,5}$")


class PathStripper:
    """Gives each name its pseudonym, so that what lay together, and what was the same, still does and is."""

    def __init__(self, pseudonyms: Pseudonyms) -> None:
        self._names = pseudonyms

    # --- code --------------------------------------------------------------------------------------

    def without_user(self, path: str) -> str:
        """A path of code without the name of the user whose home it lies in."""
        return _USER_FOLDER.sub(lambda found: found.group(1) + self._names.stand_in("user", found.group(2)), path)

    def hidden_code(self, path: str) -> str:
        """A path of the application's code with every name of its own replaced."""
        if path.startswith("<"):
            return path if path.startswith("<frozen ") or path in ("<string>", "<stdin>") else "<generated>"
        *folders, file = path.split("/")
        stem, dot, suffix = file.rpartition(".")
        hidden = f"{self.identifier(stem)}{dot}{suffix}" if dot and stem else self._folder(file)
        return "/".join([*map(self._folder, folders), hidden])

    def hidden_library(self, path: str) -> str:
        """A path of a library: the library's own part stays, where it was installed does not."""
        found = _LIBRARY_FOLDER.match(path)
        if found:
            return self._folders(found.group(1)) + found.group(2)
        if path.startswith("<") or "/" not in path:
            return path
        parts = path.split("/")
        known = next((place for place, part in enumerate(parts) if part in known_packages()), len(parts) - 1)
        return "/".join([*map(self._folder, parts[:known]), *parts[known:]])

    def identifier(self, text: str) -> str:
        """A function, class or module name ("Shop.pay.<locals>.<lambda>") with every name of its own replaced."""
        return _IDENTIFIER.sub(lambda found: self._identifier(found.group()), text)

    def _identifier(self, name: str) -> str:
        kept = (
            name.startswith("<")
            or (name.startswith("__") and name.endswith("__"))
            or name in public_words("application")
        )
        return name if kept else self._names.stand_in("name", name, "_")

    def hidden_folder(self, path: str) -> str:
        """A folder of the application."""
        return self._folders(path)

    def _folders(self, path: str) -> str:
        return "/".join(map(self._folder, path.split("/")))

    def _folder(self, name: str) -> str:
        if not name or name in public_words("folders") or _VERSIONED.match(name) or name in (".", "..", "..."):
            return name
        return self._names.stand_in("name", name, "_")

    # --- data --------------------------------------------------------------------------------------

    def data(self, path: str) -> str:
        """A path of a file that is read, locked or listened on; what its end tells of its kind stays."""
        return "/".join(map(self._data_part, path.split("/")))

    def _data_part(self, name: str) -> str:
        if not name or name in public_words("folders") or _VERSIONED.match(name) or name in (".", "..", "***"):
            return name
        dot = name.rfind(".")
        suffix = name[dot:].lower() if dot > 0 else ""
        keeps = suffix in public_words("suffixes") or (suffix and match_file(name) is not None)
        return self._names.stand_in("path", name) + (suffix if keeps else "")

    # --- addresses ---------------------------------------------------------------------------------

    def host(self, host: str) -> str:
        """A host's name or address; this very machine (loopback, "any") stays what it is."""
        bare = host.strip("[]").partition("%")[0]
        try:
            address = ip_address(bare)
        except ValueError:
            return host if bare in ("localhost", "") else self._names.stand_in("host", bare.lower())
        mapped = getattr(address, "ipv4_mapped", None) or address
        if mapped.is_loopback or mapped.is_unspecified:
            return host
        return self._names.stand_in("host", str(mapped))

    def address(self, address: str) -> str:
        """ "10.0.3.7:5432", "[fd00::7]:5432", or the path of a unix socket."""
        if address.startswith(("/", "@")):
            return self._socket(address)
        host, colon, port = address.rpartition(":")
        if not colon or not port.isdecimal() or ("]" not in address and ":" in host and not host.startswith("[")):
            return self.host(address)
        return f"{self.host(host)}:{port}"

    def _socket(self, path: str) -> str:
        if path.startswith(_STANDARD_SOCKETS):
            return next(known for known in _STANDARD_SOCKETS if path.startswith(known))
        folder, slash, name = path.rpartition("/")
        if _SOCKET_NAME.match(name):
            return self.data(folder) + slash + name
        mark = "@" if path.startswith("@") else ""
        part = unix_service_part(path)
        hidden = self.data(path.removeprefix("@"))
        return f"{mark}{hidden}" if part is None or part in hidden else f"{mark}{hidden}/{part}"

    def url(self, url: str) -> str:
        """A URL or what a server listens at: scheme and port stay, the path becomes a name, the rest goes."""
        if url.startswith("unix:"):
            return "unix:" + self._socket(url.removeprefix("unix:").removeprefix("//"))
        scheme, mark, rest = url.rpartition("://")
        if scheme and not scheme.isalnum():
            return "***"
        place, slash, path = re.split(r"[?#]", rest, maxsplit=1)[0].partition("/")
        shown = self.address(place.rpartition("@")[2])
        return f"{scheme}{mark}{shown}{slash}{self._names.stand_in('path', path) if path else ''}"
