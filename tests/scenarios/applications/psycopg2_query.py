"""psycopg2 waits for a lock in a real PostgreSQL."""

import os

import psycopg2
from phases import application_that


def check_migrations():
    connection = psycopg2.connect(os.environ["DATABASE_URL"])
    with connection.cursor() as cursor:
        cursor.execute("SELECT version_num FROM alembic_version")
        return cursor.fetchone()


application, make_application = application_that(check_migrations)
