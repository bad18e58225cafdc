"""SQLAlchemy's asynchronous engine, on asyncpg, waits for a lock in a real PostgreSQL."""

import os

import sqlalchemy
from phases import application_that
from sqlalchemy.ext.asyncio import create_async_engine


async def check_migrations():
    engine = create_async_engine(os.environ["DATABASE_URL"].replace("postgresql:", "postgresql+asyncpg:"))
    async with engine.connect() as connection:
        return await connection.scalar(sqlalchemy.text("SELECT version_num FROM alembic_version"))


application, make_application = application_that(check_migrations)
