"""SQLAlchemy's engine, on psycopg2, waits for a lock in a real PostgreSQL."""

import os

import sqlalchemy
from phases import application_that


def check_migrations():
    engine = sqlalchemy.create_engine(os.environ["DATABASE_URL"].replace("postgresql:", "postgresql+psycopg2:"))
    with engine.connect() as connection:
        return connection.execute(sqlalchemy.text("SELECT version_num FROM alembic_version")).scalar()


application, make_application = application_that(check_migrations)
