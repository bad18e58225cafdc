"""asyncpg connects to a server that does not answer."""

import os

import asyncpg
from phases import application_that


async def open_database():
    return await asyncpg.connect(os.environ["DATABASE_URL"], timeout=3600)


application, make_application = application_that(open_database)
