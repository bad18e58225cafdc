"""Start-up work: thousands of routes, a dependency graph, slow imports, model files, settings that do not come."""

from __future__ import annotations

from tests.scenarios.cells import FACTORY, LIFESPAN, PRELOAD, REQUEST, Cause, Cell


def _routes(call: str, library: str) -> Cause:
    return Cause(
        name=f"router-{library}-{call.replace('_', '-')}",
        family="router",
        application="many_routes",
        calls=(call,),
        categories=("router",),
        libraries=(library,),
        waits=("cpu",),
        variables={"CALL": call},
    )


def _file(call: str, category: str, server: str, **given: object) -> Cause:
    arguments: dict[str, object] = {
        "name": f"{category.replace('_', '-')}-{call.replace('_', '-')}-{server.replace('_', '-')}",
        "family": category,
        "application": "model_files",
        "calls": (call,),
        "categories": (category,),
        "waits": ("disk",),
        "server": server,
        "variables": {"CALL": call, "FILE": "{host}"},
        **given,
    }
    return Cause(**arguments)  # type: ignore[arg-type]


FASTAPI = _routes("include_routers", "fastapi")
FASTAPI_GRAPH = _routes("register_search", "fastapi")
FLASK = _routes("register_blueprints", "flask")
DJANGO = _routes("resolve_urls", "django")
SLOW_MODULE = Cause(
    name="import-slow-module",
    family="import",
    application="imports",
    calls=("<module>",),
    # It is the application's own module, and what it does at its top level is computing.
    categories=("import", "cpu"),
    waits=("cpu",),
    variables={"CALL": "load_tables"},
)
DEEP_PACKAGE = Cause(
    name="import-deep-package",
    family="import",
    application="imports",
    calls=("load_sdk",),
    categories=("import",),
    libraries=("shop_sdk",),
    waits=("cpu", "disk"),
    server="deep_package",
    variables={"CALL": "load_sdk", "PYTHONPATH": "{host}", "PYTHONDONTWRITEBYTECODE": "1"},
)
PICKLE = _file("load_pickled_model", "model_load", "fed_fifo")
PICKLE_IN_PYTHON = _file("load_pickled_model_in_python", "model_load", "fed_fifo", libraries=("pickle",))
JOBLIB = _file("load_joblib_model", "model_load", "stuck_pickle", libraries=("joblib",))
NUMPY = _file("load_numpy_model", "model_load", "stuck_model", libraries=("numpy",))
FIFO = _file("read_settings", "filesystem", "fifo")
FIFO_PLAIN = _file("read_plain_settings", "filesystem", "fifo")
MOUNT = _file("read_settings", "filesystem", "stuck_pickle")
# An `async def` that does not await: the loop stands still.
IN_COROUTINE = _file("read_settings_in_coroutine", "filesystem", "fifo")

# Those that compute take the processor from the watch that starts beside them: they get more time.
CELLS: list[Cell] = [
    Cell(FASTAPI, version="21.2.0", worker="uvicorn-uvloop", phase=LIFESPAN, timeout_s=8),
    Cell(FASTAPI, version="23.0.0", worker="gthread", fast=True),
    Cell(FASTAPI_GRAPH, worker="uvicorn-asyncio", phase=LIFESPAN),
    Cell(FLASK, version="22.0.0", phase=FACTORY),
    Cell(FLASK, version="21.2.0", worker="gevent", timeout_s=8),
    Cell(DJANGO, version="20.1.0", timeout_s=8),
    Cell(DJANGO, version="26.2.0", phase=PRELOAD),
    Cell(SLOW_MODULE, version="21.2.0", worker="gthread", timeout_s=8),
    Cell(SLOW_MODULE, workers=2),
    Cell(DEEP_PACKAGE, version="25.3.0", fast=True),
    Cell(DEEP_PACKAGE, version="21.2.0", worker="uvicorn-asyncio", timeout_s=8),
    Cell(DEEP_PACKAGE, phase=PRELOAD),
    Cell(PICKLE),
    Cell(PICKLE, version="21.2.0", phase=REQUEST),
    Cell(PICKLE_IN_PYTHON, version="22.0.0"),
    Cell(JOBLIB, version="23.0.0", fast=True),
    Cell(JOBLIB, version="20.1.0", phase=FACTORY),
    Cell(NUMPY),
    Cell(NUMPY, version="21.2.0", phase=REQUEST, worker="tornado"),
    Cell(FIFO),
    Cell(FIFO, version="26.2.0", worker="gevent"),
    Cell(FIFO_PLAIN, version="21.2.0"),
    Cell(FIFO_PLAIN, version="23.0.0", phase=REQUEST),
    Cell(MOUNT, version="25.3.0", phase=REQUEST),
    Cell(IN_COROUTINE, version="21.2.0", worker="uvicorn-uvloop", phase=REQUEST),
]
