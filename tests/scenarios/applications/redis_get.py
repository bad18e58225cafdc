"""redis-py asks a Redis that answers no command."""

import os

import redis
from phases import application_that


def load_feature_flags():
    return redis.Redis.from_url(os.environ["REDIS_URL"]).get("flags")


application, make_application = application_that(load_feature_flags)
