"""Host names, and a name server that never answers."""

import os
import socket

from phases import application_that

HOST = "prices.shop.example"


def resolve_upstream():
    return socket.getaddrinfo(HOST, 443)


def fetch_prices():
    import requests

    return requests.get(f"http://{HOST}/prices", timeout=None).json()


def open_database():
    import psycopg2

    return psycopg2.connect(f"postgresql://app@{HOST}/orders")


async def connect_to_upstream():
    import asyncio

    return await asyncio.open_connection(HOST, 443)


async def fetch_prices_async():
    import httpx

    async with httpx.AsyncClient(timeout=None) as client:
        return (await client.get(f"http://{HOST}/prices")).json()


async def resolve_in_coroutine():
    return socket.gethostbyname(HOST)


application, make_application = application_that(globals()[os.environ["CALL"]])
