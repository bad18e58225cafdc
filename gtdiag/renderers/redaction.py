"""A report to the same report without the secrets that requests and connection strings carry.

Values in the query of a request path or URL, and passwords in URLs and connection strings, become `***`; names stay.
What stands in a query without a name is taken for a value.
"""

from __future__ import annotations

import re

from gtdiag.model.report import Report
from gtdiag.renderers.report_strings import map_strings

MASK = "***"

OUR_OWN_WORDS = frozenset({"Remedy.id", "Remedy.title", "Remedy.how", "Report.schema", "Report.gtdiag_version"})
"""Places that hold gtdiag's own text, where an example such as `?connect_timeout=5` is the advice."""

# The bounds on the repetitions keep hostile lines from costing more than linear time.
_URL_PASSWORD = re.compile(
    r"""([a-z][a-z0-9+.\-]{0,30}://[^\s:/?\#@"'<>]{0,256}:)   # scheme and user
        (?!\d{1,5}(?:[/?\#,]|$))                              # a port is no password
        [^\s"'<>]{1,512}@                                     # up to the last @: a raw @ in a password is common""",
    re.IGNORECASE | re.VERBOSE,
)
_QUERY = re.compile(r"""\?([^\s"'<>#]+)""")
_QUERY_SEPARATOR = re.compile("([&;])")
_NAMED_SECRET = re.compile(
    r"""(\b(?:\w{0,40}_)?(?:password|passwd|pwd|secret|token|api_?key|access_?key|private_?key)["']?\s?[=:]\s?)
        (?:"[^"]{1,512}"|'[^']{1,512}'|[^\s,;&"']{1,512})""",
    re.IGNORECASE | re.VERBOSE,
)
_AUTHORIZATION = re.compile(r"\b((?:bearer|basic)\s+)[A-Za-z0-9+/=._~\-]{8,512}", re.IGNORECASE)


def redact_text(text: str) -> str:
    """Return `text` with query values, passwords, tokens and keys masked."""
    if "://" in text:
        text = _URL_PASSWORD.sub(rf"\1{MASK}@", text)
    if "?" in text:
        text = _QUERY.sub(_mask_query, text)
    if "=" in text or ":" in text:
        text = _NAMED_SECRET.sub(rf"\1{MASK}", text)
    return _AUTHORIZATION.sub(rf"\1{MASK}", text)


def _mask_query(found: re.Match[str]) -> str:
    query = found.group(1)
    word_before = found.string[: found.start()].rpartition(" ")[2]
    if "=" not in query and "/" not in word_before:
        return found.group()  # a question in a sentence
    return "?" + "".join(map(_mask_part, _QUERY_SEPARATOR.split(query)))


def _mask_part(part: str) -> str:
    if part in ("", "&", ";"):
        return part
    name, equals, _ = part.partition("=")
    return f"{name}={MASK}" if equals else MASK


def redact_report(report: Report) -> Report:
    """Return the report with every string redacted that is not gtdiag's own words."""
    return map_strings(report, lambda place, text: text if place in OUR_OWN_WORDS else redact_text(text))
