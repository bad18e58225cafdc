"""psycopg's pool waits for a connection, of which it has one, and that one is taken."""

import os

import psycopg_pool
from phases import application_that


def list_orders():
    pool = psycopg_pool.ConnectionPool(os.environ["DATABASE_URL"], min_size=1, max_size=1, timeout=3600, open=True)
    with pool.connection(), pool.connection() as second:
        return second.execute("SELECT 1").fetchone()


application, make_application = application_that(list_orders)
