"""An ordinary FastAPI application whose four workers all do the same slow work before they serve a single request.

Each worker checks the database's migrations, asks a model service for its mapping and then configures its routers, all
in the lifespan. gunicorn gives the whole of it `--timeout` seconds. When the database does not answer, no worker ever
becomes ready.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import httpx
from fastapi import APIRouter, FastAPI

EXPECTED_MIGRATION = "4f1c2a9d7b3e"


async def verify_database_migrations() -> None:
    """Refuse to start on a database that is older than the code."""
    connection = await asyncpg.connect(os.environ["DATABASE_URL"])
    try:
        found = await connection.fetchval("SELECT version_num FROM alembic_version")
    finally:
        await connection.close()
    if found != EXPECTED_MIGRATION:
        raise RuntimeError(f"the database is at migration {found}, this code needs {EXPECTED_MIGRATION}")


class DirectModelService:
    """Knows which model answers under which name."""

    async def get_model_mapping(self) -> dict[str, str]:
        """Ask the model service, over HTTPS."""
        async with httpx.AsyncClient(timeout=None, verify=False) as client:
            response = await client.get(os.environ["MODEL_SERVICE_URL"])
            return dict(response.json())


direct_model_service = DirectModelService()


def configure_routers(application: FastAPI, mapping: dict[str, str]) -> None:
    """One router per model."""
    for name, model in mapping.items():
        router = APIRouter(prefix=f"/{name}")

        @router.get("/")
        async def describe(model: str = model) -> dict[str, str]:
            return {"model": model}

        application.include_router(router)


@asynccontextmanager
async def lifespan(application: FastAPI) -> AsyncIterator[None]:
    """Everything each worker does before its first request."""
    await verify_database_migrations()
    mapping = await direct_model_service.get_model_mapping()
    configure_routers(application, mapping)
    yield


app = FastAPI(lifespan=lifespan)
