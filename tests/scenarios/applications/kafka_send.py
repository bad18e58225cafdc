"""kafka-python sends to a broker that accepts and says nothing: it waits for the metadata of the topic."""

import os

import kafka
from phases import application_that


def announce_start():
    producer = kafka.KafkaProducer(bootstrap_servers=os.environ["BROKER"], api_version=(2, 5, 0), max_block_ms=3600000)
    producer.send("starts", b"started")


application, make_application = application_that(announce_start)
