"""Tries to connect to a database that refuses, again and again, with a pause: the usual loop of an entry point."""

import os
import time

import psycopg2
from phases import application_that


def wait_for_database():
    while True:
        try:
            return psycopg2.connect(os.environ["DATABASE_URL"])
        except psycopg2.OperationalError:
            time.sleep(0.5)


application, make_application = application_that(wait_for_database)
