"""A FastAPI application whose workers all do the same slow work in their lifespan start-up.

DATABASE_URL: PostgreSQL of the migration check (unset: no database). MODEL_SERVICE_URL: the HTTPS API of the model
mapping (unset: none). ROUTERS: how many routers to register.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import direct_model_service
from fastapi import APIRouter, Depends, FastAPI


async def verify_database_migrations() -> None:
    url = os.environ.get("DATABASE_URL")
    if url is None:
        return
    connection = await asyncpg.connect(url)
    try:
        await connection.fetchval("SELECT version_num FROM alembic_version")
    finally:
        await connection.close()


def configure_routers(application: FastAPI, mapping: dict[str, str]) -> None:
    for number in range(int(os.environ.get("ROUTERS", "1"))):
        application.include_router(make_model_router(number, mapping))


def make_model_router(number: int, mapping: dict[str, str]) -> APIRouter:
    router = APIRouter(prefix=f"/models/{number}", tags=[f"model {number}"])

    def current_model(version: str = "latest") -> str:
        return mapping.get(str(number), version)

    @router.get("/")
    def show(limit: int = 10, offset: int = 0, model: str = Depends(current_model)) -> dict[str, object]:
        return {"model": model, "limit": limit, "offset": offset}

    @router.get("/{item}")
    def show_item(item: int, verbose: bool = False, model: str = Depends(current_model)) -> dict[str, object]:
        return {"model": model, "item": item, "verbose": verbose}

    return router


@asynccontextmanager
async def lifespan(application: FastAPI) -> AsyncIterator[None]:
    await verify_database_migrations()
    mapping = await direct_model_service.get_model_mapping()
    configure_routers(application, mapping)
    yield


app = FastAPI(lifespan=lifespan)


@app.get("/")
async def root() -> dict[str, str]:
    return {"status": "well"}
