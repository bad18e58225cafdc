"""Far too many routes, or far too many dependencies of one route."""

import os

from phases import application_that

MANY = 10_000_000


def handler():
    return {}


def include_routers():
    from fastapi import APIRouter, FastAPI

    app = FastAPI()
    for number in range(MANY):
        router = APIRouter(prefix=f"/tenants/{number}")
        router.add_api_route("/orders", handler)
        app.include_router(router)
    return app


def register_blueprints():
    from flask import Blueprint, Flask

    app = Flask("shop")
    for number in range(MANY):
        blueprint = Blueprint(f"tenant-{number}", "shop", url_prefix=f"/tenants/{number}")
        blueprint.add_url_rule("/orders", view_func=handler)
        app.register_blueprint(blueprint)
    return app


def resolve_urls():
    from django.conf import settings
    from django.urls import path
    from django.urls.resolvers import RegexPattern, URLResolver

    settings.configure()
    patterns = [path(f"tenants/{number}/orders/<int:order>", handler, name=f"t{number}") for number in range(20_000)]
    for _ in range(MANY):
        URLResolver(RegexPattern(r"^/"), patterns)._populate()


def register_search():
    from fastapi import Depends, FastAPI

    # Every level asks four times for the one below: 4 ** 14 dependencies. That FastAPI caches their values in a request
    # does not spare it building the graph.
    dependency = handler
    for _ in range(14):
        one, two, three, four = (Depends(dependency, use_cache=False) for _ in range(4))

        def dependency(a=one, b=two, c=three, d=four):
            return a

    app = FastAPI()
    app.add_api_route("/search", dependency)
    return app


application, make_application = application_that(globals()[os.environ["CALL"]])
