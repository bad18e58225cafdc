"""Turns "this function blocks" into an application that calls it in one phase: $PHASE, as WSGI or ASGI by $PROTOCOL.

    application, make_application = application_that(open_database)

$PHASE: import (preload is the same, in the master), factory, lifespan, request (GET /block; everything else answers
at once). A coroutine function is awaited where there is a loop, and run in one of its own where there is none.
"""

import asyncio
import inspect
import os

PHASE = os.environ.get("PHASE", "import")


def application_that(block):
    application = asgi_application(block) if os.environ.get("PROTOCOL") == "asgi" else wsgi_application(block)

    def make_application():
        if PHASE == "factory":
            call(block)
        return application

    if PHASE in ("import", "preload"):
        call(block)
    return application, make_application


def call(block):
    if inspect.iscoroutinefunction(block):
        asyncio.run(block())
    else:
        block()


def wsgi_application(block):
    def application(environ, start_response):
        if PHASE == "request" and environ["PATH_INFO"] == "/block":
            call(block)
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "3")])
        return [b"ok\n"]

    return application


def asgi_application(block):
    async def application(scope, receive, send):
        if scope["type"] == "lifespan":
            await receive()
            if PHASE == "lifespan":
                await call_in_loop(block)
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
        elif scope["type"] == "http":
            if PHASE == "request" and scope["path"] == "/block":
                await call_in_loop(block)
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"3")]})
            await send({"type": "http.response.body", "body": b"ok\n"})

    return application


async def call_in_loop(block):
    if inspect.iscoroutinefunction(block):
        await block()
    else:
        block()
