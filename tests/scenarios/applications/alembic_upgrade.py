"""Alembic upgrades a real PostgreSQL whose table of versions another one has locked, as a second release job does."""

import os
from pathlib import Path

from alembic import command
from alembic.config import Config
from phases import application_that


def upgrade_database():
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("alembic_scripts")))
    config.set_main_option("sqlalchemy.url", os.environ["DATABASE_URL"])
    command.upgrade(config, "head")


application, make_application = application_that(upgrade_database)
