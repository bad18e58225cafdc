"""Imports that take long."""

import os

from phases import application_that


def load_tables():
    import slow_tables

    return slow_tables


def load_sdk():
    import shop_sdk

    return shop_sdk


application, make_application = application_that(globals()[os.environ["CALL"]])
