"""HTTP clients without a time-out of their own; $CALL names the one to use, $UPSTREAM what it asks."""

import contextlib
import os

from phases import application_that

UPSTREAM = os.environ["UPSTREAM"]
URL = f"http://{UPSTREAM}/prices"


def fetch_with_requests():
    import requests

    return requests.get(URL, timeout=None).json()


def fetch_with_retries():
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util.retry import Retry

    session = requests.Session()
    session.mount("http://", HTTPAdapter(max_retries=Retry(total=1000, backoff_factor=2)))
    return session.get(URL).json()


def fetch_with_urllib3():
    import urllib3

    return urllib3.PoolManager().request("GET", URL, timeout=None, retries=False).data


def fetch_with_urllib():
    from urllib.request import urlopen

    with urlopen(URL) as answer:
        return answer.read()


def fetch_with_httpx():
    import httpx

    with httpx.Client(timeout=None) as client:
        return client.get(URL).json()


async def fetch_with_httpx_async():
    import httpx

    async with httpx.AsyncClient(timeout=None) as client:
        return (await client.get(URL)).json()


async def fetch_with_aiohttp():
    import aiohttp

    no_time_out = aiohttp.ClientTimeout(total=None, sock_connect=None)
    async with aiohttp.ClientSession(timeout=no_time_out) as session, session.get(URL) as answer:
        return await answer.json()


def list_buckets():
    import botocore.session
    from botocore.config import Config

    client = botocore.session.get_session().create_client(
        "s3",
        region_name="eu-central-1",
        endpoint_url=f"http://{UPSTREAM}",
        aws_access_key_id="a-key",
        aws_secret_access_key="a-secret",
        config=Config(connect_timeout=None, read_timeout=None),
    )
    return client.list_buckets()


def ask_pricing_service():
    import grpc

    with grpc.insecure_channel(UPSTREAM) as channel:
        return channel.unary_unary("/shop.Prices/List")(b"", wait_for_ready=True)


async def ask_pricing_service_async():
    import grpc.aio

    async with grpc.aio.insecure_channel(UPSTREAM) as channel:
        return await channel.unary_unary("/shop.Prices/List")(b"", wait_for_ready=True)


def read_status():
    """Refused, and that is no reason not to start."""
    with contextlib.suppress(OSError):
        fetch_with_urllib()


application, make_application = application_that(globals()[os.environ["CALL"]])
