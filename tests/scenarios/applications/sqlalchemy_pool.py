"""SQLAlchemy waits for a connection of its own pool, which has one, and that one is taken."""

import os

import sqlalchemy
from phases import application_that


def list_orders():
    url = os.environ["DATABASE_URL"].replace("postgresql:", "postgresql+psycopg2:")
    engine = sqlalchemy.create_engine(url, pool_size=1, max_overflow=0, pool_timeout=3600)
    leaked = engine.connect()
    with engine.connect() as connection:
        return connection.execute(sqlalchemy.text("SELECT 1")).scalar(), leaked


application, make_application = application_that(list_orders)
