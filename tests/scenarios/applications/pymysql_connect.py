"""PyMySQL connects to a server that accepts and says nothing."""

import os

import pymysql
from phases import application_that


def open_database():
    host, port = os.environ["DATABASE_HOST"], int(os.environ["DATABASE_PORT"])
    return pymysql.connect(host=host, port=port, user="app", password="opensesame", database="orders")


application, make_application = application_that(open_database)
