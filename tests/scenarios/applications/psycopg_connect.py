"""psycopg 3 connects to a server that does not answer."""

import os

import psycopg
from phases import application_that


def open_database():
    return psycopg.connect(os.environ["DATABASE_URL"])


application, make_application = application_that(open_database)
