"""asyncpg waits for a lock in a real PostgreSQL."""

import os

import asyncpg
from phases import application_that


async def check_migrations():
    connection = await asyncpg.connect(os.environ["DATABASE_URL"])
    return await connection.fetchval("SELECT version_num FROM alembic_version")


application, make_application = application_that(check_migrations)
