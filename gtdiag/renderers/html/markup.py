"""Text to HTML: the one border where what came from logs and processes is escaped.

A page is built of `Markup`, which only `element` makes; any plain string given to it, as a child or as the value of an
attribute, is data and is escaped. There is no way around it but `join_markup`, which takes nothing but markup.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from gtdiag.renderers.escaping import escape_text

MAX_CHARACTERS = 2000
"""Of one string: a log line has no bound, a page has."""

_VOID = frozenset({"meta", "br"})
_SVG_LEAVES = frozenset({"rect", "line", "use", "path", "polyline", "circle"})


@dataclass(frozen=True, slots=True)
class Markup:
    """HTML that is safe to put on the page."""

    html: str


Child: TypeAlias = "str | Markup | Iterable[Child] | None"
Attribute: TypeAlias = "str | int | float | bool | None"


def escape_for_html(text: str, *, limit: int = MAX_CHARACTERS) -> str:
    """Return text of any origin as text of an HTML page: nothing in it is markup, nothing in it hides or reorders."""
    cut = len(text) - limit
    shown = escape_text(text[:limit])
    if cut > 0:
        shown += f"... ({cut} more characters)"
    return html.escape(shown, quote=True)


def element(tag: str, *children: Child, **attributes: Attribute) -> Markup:
    """Return an element. `class_` is class, `data_at` data-at; None and False leave an attribute out.

    Links lead within the page: raises ValueError for any other.
    """
    opening = tag + "".join(_attribute(name, value) for name, value in attributes.items())
    if tag in _VOID:
        return Markup(f"<{opening}>")
    inner = _content(children)
    if not inner and tag in _SVG_LEAVES:
        return Markup(f"<{opening}/>")
    return Markup(f"<{opening}>{inner}</{tag}>")


def join_markup(parts: Iterable[Markup | None], separator: str = "\n") -> Markup:
    """Return the parts one after the other; the separator is white space."""
    assert not separator.strip()
    return Markup(separator.join(part.html for part in parts if part is not None))


def _content(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, Markup):
        return child.html
    if isinstance(child, str):
        return escape_for_html(child)
    return "".join(_content(one) for one in child)


def _attribute(name: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    name = name.rstrip("_").replace("_", "-")
    if value is True:
        return f" {name}"
    text = f"{value:g}" if isinstance(value, float) else str(value)
    if name == "href" and not text.startswith("#"):
        raise ValueError(f"a link may not leave the page: {text!r}")
    return f' {name}="{escape_for_html(text)}"'
