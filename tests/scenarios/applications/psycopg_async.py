"""psycopg 3, asynchronous, waits for a lock in a real PostgreSQL."""

import os

import psycopg
from phases import application_that


async def check_migrations():
    async with await psycopg.AsyncConnection.connect(os.environ["DATABASE_URL"]) as connection:
        cursor = await connection.execute("SELECT version_num FROM alembic_version")
        return await cursor.fetchone()


application, make_application = application_that(check_migrations)
