"""Message brokers that accept a connection and say nothing."""

from __future__ import annotations

from tests.scenarios.cells import GREENLETS, NEWEST, Cause, Cell, over

PIKA_CONNECT = Cause(
    name="pika-connect",
    family="broker",
    application="pika_connect",
    calls=("open_channel",),
    categories=("broker",),
    libraries=("pika",),
    server="mute",
    states=("ESTABLISHED",),
    releases_hub=GREENLETS,
    variables={"BROKER_URL": "amqp://app:opensesame@{peer}/"},
)
KAFKA_SEND = Cause(
    name="kafka-send",
    family="broker",
    application="kafka_send",
    calls=("announce_start",),
    categories=("broker",),
    libraries=("kafka-python", "kafka"),
    # The sender's own thread has the connection; who sends waits for it.
    waits=("lock", "socket"),
    server="mute",
    releases_hub=GREENLETS,
    variables={"BROKER": "{peer}"},
)

CELLS: list[Cell] = [*over(PIKA_CONNECT, version=("21.2.0", NEWEST)), *over(KAFKA_SEND, version=("21.2.0", NEWEST))]
