"""Files in object stores and wherever else fsspec reaches (`pip install 'gtdiag[remote]'`): found, opened, dated.

What a store needs to let one in (keys, end points) is taken from where its library looks: environment variables, the
profile's files, fsspec's own configuration (https://filesystem-spec.readthedocs.io/en/latest/features.html).
"""

from __future__ import annotations

import contextlib
import glob
import re
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import IO, Any, cast

from gtdiag.collectors.log_names import may_be_log
from gtdiag.errors import LogReadError

_URL = re.compile(r"[a-z][a-z0-9+.-]{1,30}://", re.IGNORECASE)
_READ_AHEAD_BYTES = 4 << 20
"""Logs are read from one end to the other: a request for each four megabytes."""


def is_url(name: str) -> bool:
    """Whether a name is a URL, not a path: `s3://bucket/app.log`."""
    return _URL.match(name) is not None


def expand_url(url: str) -> list[tuple[str, int]]:
    """The files that a URL means, with their sizes in bytes: one file, the logs below a folder, a pattern's matches.

    Raises LogReadError where there is none, and where the store cannot be reached.
    """
    with _one_line_for(url):
        files = _file_system(url)
        bare = files._strip_protocol(url)
        if glob.has_magic(bare):
            details = [one for one in files.glob(bare, detail=True).values() if one["type"] == "file"]
        elif files.isdir(bare):
            found = files.find(bare, detail=True).values()
            details = [one for one in found if may_be_log(str(one["name"]).rpartition("/")[2])]
        else:
            details = [files.info(bare)]
        named = sorted((files.unstrip_protocol(str(one["name"])), int(one.get("size") or 0)) for one in details)
    if not named:
        raise LogReadError(
            f"no log at {url}", "files that end in .log, .out, .err or .jsonl, and their rotations, are taken"
        )
    return named


def open_url(url: str) -> IO[bytes]:
    """The bytes of a remote file, read as they are asked for. Raises LogReadError."""
    with _one_line_for(url):
        files = _file_system(url)
        opened = files.open(url, "rb", block_size=_READ_AHEAD_BYTES, cache_type="readahead")
        return cast("IO[bytes]", opened)


def read_head_of_url(url: str, size: int) -> bytes:
    """The first bytes of a remote file. Raises LogReadError."""
    with _one_line_for(url):
        return bytes(_file_system(url).cat_file(url, start=0, end=size))


def modified_at(url: str) -> datetime | None:
    """When a remote file was last written, where the store tells."""
    try:
        at = _file_system(url).modified(url)
    except Exception:  # not every store has it; each raises what it likes
        return None
    if not isinstance(at, datetime):
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=timezone.utc)


@contextlib.contextmanager
def _one_line_for(url: str) -> Iterator[None]:
    """Turn what the libraries of the stores raise (each has classes of its own) into one line about the URL."""
    try:
        yield
    except LogReadError:
        raise
    except FileNotFoundError:
        raise LogReadError(f"no such file: {url}", "check the URL") from None
    except ImportError as error:
        raise LogReadError(f"cannot read {url}: {_words_of(error)}", "pip install 'gtdiag[remote]'") from None
    except Exception as error:
        raise LogReadError(
            f"cannot read {url}: {_words_of(error)}", "check the URL, and that its store lets you in"
        ) from None


def _words_of(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def _file_system(url: str) -> Any:
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise LogReadError(
            f"{url} is a URL, for which fsspec is needed, which is not installed", "pip install 'gtdiag[remote]'"
        ) from None
    return url_to_fs(url)[0]
