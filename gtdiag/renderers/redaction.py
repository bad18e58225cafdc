"""A report to the same report without the secrets that requests and connection strings carry.

Values in the query of a request path or URL, passwords in URLs and connection strings, what a name calls a secret
(password, token, key, cookie, authorization) and tokens of a known shape become `***`; names stay. What stands in a
query without a name is taken for a value.
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
_SECRET_NAME = (
    r"(?:password|passwd|pwd|passphrase|secret(?:[_-]?key)?|token|credentials?|session[_-]?id"
    r"|(?:api|access|account|private|auth|signing|encryption)[_-]?key)"
)
_NAMED_SECRET = re.compile(
    rf"""(\b[\w\-]{{0,40}}?{_SECRET_NAME}["']?\s?[=:]\s?)(?!\*\*\*(?:\W|$))
        (?:"[^"]{{1,512}}"|'[^']{{1,512}}'|[^\s,;&"']{{1,512}})""",
    re.IGNORECASE | re.VERBOSE,
)
_SECRET_OPTION = re.compile(rf"(--[\w\-]{{0,40}}?{_SECRET_NAME}[ \t]{{1,8}})(?!-)\S{{1,512}}", re.IGNORECASE)
_AUTHORIZATION = re.compile(r"\b((?:bearer|basic)\s+)[A-Za-z0-9+/=._~\-]{8,512}", re.IGNORECASE)
_AUTHORIZATION_HEADER = re.compile(
    r"""(\bauthorization["']?\s?[=:]\s?["']?(?:(?:basic|bearer|token|digest|negotiate|apikey)\s{1,8})?)
        [^\s"',;]{1,2048}""",
    re.IGNORECASE | re.VERBOSE,
)
_COOKIE = re.compile(r"""(\b(?:set-)?cookie["']?\s?:\s?["']?)[^\r\n"']{1,4096}""", re.IGNORECASE)
_URL_USER = re.compile(
    r"""(\bhttps?://)[^\s:/?\#@"'<>]{1,256}(?=@)             # of a web address, the only user is a token or a key
        |([a-z][a-z0-9+.\-]{0,30}://)(?=[^\s:/?\#@]{0,255}\d)[^\s:/?\#@"'<>]{16,256}(?=:[^\s"'<>/]{1,512}@)""",
    re.IGNORECASE | re.VERBOSE,
)
_FRAGMENT = re.compile(
    r"(\#(?:[\w.\-]{1,40}=[^\s&\"'<>]{0,512}&){0,8}?(?:access_token|id_token|code)=)[^\s&\"'<>]{1,2048}"
)

_SHAPES = re.compile(
    r"""-----BEGIN\ [A-Z ]{0,24}PRIVATE\ KEY-----.{0,8192}?(?:-----END\ [A-Z ]{0,24}PRIVATE\ KEY-----|\Z)
        |\b(?:
            gh[pousr]_\w{16,255} | github_pat_\w{16,255} | glpat-[\w\-]{16,255}    # GitHub, GitLab
            | xox[abeprs]-[\w\-]{10,255}                                           # Slack
            | [srp]k_(?:live|test)_\w{10,255}                                      # Stripe
            | A[KS]IA[A-Z0-9]{12,32} | AIza[\w\-]{30,64}                           # AWS, Google
            | sk-[\w\-]{20,255} | SG\.[\w\-]{16,64}\.[\w\-]{16,128}               # OpenAI and others, SendGrid
            | hvs\.[\w\-]{20,255} | dop_v1_\w{32,128}                             # Vault, DigitalOcean
            | npm_\w{30,64} | pypi-[\w\-]{20,255}                                 # npm, PyPI
            | eyJ[\w\-]{8,4096}\.[\w\-]{4,8192}\.[\w\-]{0,4096}                   # JSON web tokens
        )""",
    re.VERBOSE | re.DOTALL,
)
"""Secrets that are known by their shape, as their issuers document it, whatever stands before them."""

_SHAPE_MARKS = (
    "-----BEGIN",
    "gh",
    "glpat-",
    "xox",
    "k_",
    "KIA",
    "SIA",
    "AIza",
    "sk-",
    "SG.",
    "hvs.",
    "dop_",
    "npm_",
    "pypi-",
    "eyJ",
)


def redact_text(text: str) -> str:
    """Return `text` with query values, passwords, tokens, cookies and keys masked."""
    if "://" in text:
        text = _URL_USER.sub(_mask_user, text)
        text = _URL_PASSWORD.sub(rf"\1{MASK}@", text)
    if "?" in text:
        text = _QUERY.sub(_mask_query, text)
    if "#" in text:
        text = _FRAGMENT.sub(rf"\1{MASK}", text)
    if "=" in text or ":" in text:
        text = _AUTHORIZATION_HEADER.sub(rf"\1{MASK}", text)
        text = _COOKIE.sub(rf"\1{MASK}", text)
        text = _NAMED_SECRET.sub(rf"\1{MASK}", text)
    if "--" in text:
        text = _SECRET_OPTION.sub(rf"\1{MASK}", text)
    text = _AUTHORIZATION.sub(rf"\1{MASK}", text)
    return _SHAPES.sub(MASK, text) if any(mark in text for mark in _SHAPE_MARKS) else text


def _mask_user(found: re.Match[str]) -> str:
    return f"{found.group(1) or found.group(2)}{MASK}"


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
