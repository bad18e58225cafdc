"""pymongo waits until a server can be chosen, and none answers."""

import os

import pymongo
from phases import application_that


def ping_database():
    client = pymongo.MongoClient(os.environ["MONGO_URL"], serverSelectionTimeoutMS=3600000, connectTimeoutMS=3600000)
    return client.admin.command("ping")


application, make_application = application_that(ping_database)
