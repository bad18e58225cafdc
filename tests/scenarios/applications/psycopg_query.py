"""psycopg 3 waits for a lock in a real PostgreSQL."""

import os

import psycopg
from phases import application_that


def check_migrations():
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        return connection.execute("SELECT version_num FROM alembic_version").fetchone()


application, make_application = application_that(check_migrations)
