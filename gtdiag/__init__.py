"""gtdiag tells which call each gunicorn worker was blocked in, proves it, and says what to do.

    report = gtdiag.analyze("gunicorn.log")
    print(report.verdict.summary)

docs/api.md describes what is here; nothing of it is loaded before it is used. Types: `__init__.pyi`.
"""

__version__ = "0.1.0"

_PLACES = {
    "GtdiagError": "gtdiag.errors",
    "Incident": "gtdiag.model.report",
    "IncompleteError": "gtdiag.api",
    "Pattern": "gtdiag.model.report",
    "Report": "gtdiag.model.report",
    "Watch": "gtdiag.api",
    "analyze": "gtdiag.api",
    "render": "gtdiag.api",
    "snapshot": "gtdiag.api",
    "watch": "gtdiag.api",
}
"""The public names and the modules they come from."""

__all__ = ["__version__", *_PLACES]


def __getattr__(name):  # type: ignore[no-untyped-def]
    """Load a public name when it is used (PEP 562)."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(_PLACES[name]), name)
    globals()[name] = value
    return value


def __dir__():  # type: ignore[no-untyped-def]
    """List what is loaded and what would be."""
    return sorted({*globals(), *_PLACES})
