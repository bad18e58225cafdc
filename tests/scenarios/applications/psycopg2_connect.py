"""psycopg2 connects to a server that does not answer."""

import os

import psycopg2
from phases import application_that


def open_database():
    return psycopg2.connect(os.environ["DATABASE_URL"])


application, make_application = application_that(open_database)
