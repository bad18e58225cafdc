"""The client of an HTTPS API that says which model serves which name."""

from __future__ import annotations

import os

import httpx


async def get_model_mapping() -> dict[str, str]:
    url = os.environ.get("MODEL_SERVICE_URL")
    if url is None:
        return {}
    async with httpx.AsyncClient(timeout=None, verify=False) as client:
        response = await client.get(url)
        return dict(response.json())
