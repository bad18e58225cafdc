"""redis-py, asynchronous, asks a Redis that answers no command."""

import os

import redis.asyncio
from phases import application_that


async def load_feature_flags():
    return await redis.asyncio.Redis.from_url(os.environ["REDIS_URL"]).get("flags")


application, make_application = application_that(load_feature_flags)
