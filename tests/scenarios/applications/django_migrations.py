"""Django checks its migrations in a real PostgreSQL whose table of migrations is locked."""

import os

import django
from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from phases import application_that

settings.configure(
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": "postgres",
            "USER": "postgres",
            "HOST": os.environ["DATABASE_HOST"],
            "PORT": os.environ["DATABASE_PORT"],
        }
    },
    INSTALLED_APPS=["django.contrib.contenttypes"],
)
django.setup()


def check_migrations():
    executor = MigrationExecutor(connection)
    return executor.migration_plan(executor.loader.graph.leaf_nodes())


application, make_application = application_that(check_migrations)
