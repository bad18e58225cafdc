"""Partial analyses to bytes and back: what goes between processes and machines, with its schema's version."""

from __future__ import annotations

import json

from gtdiag import __version__
from gtdiag.errors import GtdiagError
from gtdiag.model.partial import PARTIAL_SCHEMA, Partial
from gtdiag.recording.codec import decode_value, encode_value


class PartialError(GtdiagError):
    """A partial analysis that this gtdiag cannot read: another version made it."""


def encode_partial(partial: Partial) -> bytes:
    """The partial as one line of JSON, ASCII; the same value gives the same bytes."""
    value = {"schema": PARTIAL_SCHEMA, "partial": encode_value(partial)}
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True).encode("ascii")


def parse_partial(data: bytes) -> Partial:
    """The partial behind the bytes. Raises PartialError where another version of gtdiag made them."""
    value = json.loads(data)
    partial = value.get("partial", {})
    version = partial.get("gtdiag_version")
    if value.get("schema") != PARTIAL_SCHEMA or version != __version__:
        raise PartialError(
            f"a worker of the cluster runs gtdiag {version}, this is gtdiag {__version__}",
            hint="install the same version on the workers and here",
        )
    return decode_value(Partial, partial)
