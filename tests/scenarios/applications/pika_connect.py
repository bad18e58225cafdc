"""pika connects to a broker that accepts and says nothing."""

import os

import pika
from phases import application_that


def open_channel():
    parameters = pika.URLParameters(os.environ["BROKER_URL"])
    parameters.stack_timeout = parameters.blocked_connection_timeout = 3600
    parameters.socket_timeout = 3600
    return pika.BlockingConnection(parameters).channel()


application, make_application = application_that(open_channel)
