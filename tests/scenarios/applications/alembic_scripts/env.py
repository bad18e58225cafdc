"""Alembic's environment, as `alembic init` makes it."""

import sqlalchemy
from alembic import context


def run_migrations_online():
    engine = sqlalchemy.create_engine(context.config.get_main_option("sqlalchemy.url"))
    with engine.connect() as connection:
        context.configure(connection=connection)
        with context.begin_transaction():
            context.run_migrations()


run_migrations_online()
