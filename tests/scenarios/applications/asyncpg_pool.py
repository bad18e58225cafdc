"""asyncpg waits for a connection of its own pool, which has one, and that one is taken."""

import os

import asyncpg
from phases import application_that


async def list_orders():
    pool = await asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=1, max_size=1)
    async with pool.acquire(), pool.acquire() as second:
        return await second.fetchval("SELECT 1")


application, make_application = application_that(list_orders)
