"""requests asks an HTTP API that does not answer."""

import os

import requests
from phases import application_that


def fetch_prices():
    return requests.get(os.environ["UPSTREAM_URL"], timeout=None).json()


application, make_application = application_that(fetch_prices)
