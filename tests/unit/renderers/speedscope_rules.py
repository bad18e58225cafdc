"""What speedscope accepts: its file-format-schema.json for sampled profiles, and what its importer does with it."""

from __future__ import annotations

import json
from typing import Any

UNITS = {"none", "nanoseconds", "microseconds", "milliseconds", "seconds", "bytes"}


def check_speedscope(text: str) -> dict[str, Any]:
    """Parse the document, assert the rules, return it."""
    document: dict[str, Any] = json.loads(text)
    assert set(document) == {"$schema", "exporter", "name", "activeProfileIndex", "profiles", "shared"}
    assert document["$schema"] == "https://www.speedscope.app/file-format-schema.json"
    frames = document["shared"]["frames"]
    for frame in frames:
        assert {"name"} <= set(frame) <= {"name", "file", "line"}
        assert isinstance(frame["name"], str)
        assert isinstance(frame.get("file", ""), str)
        assert isinstance(frame.get("line", 0), int)
    assert 0 <= document["activeProfileIndex"] < len(document["profiles"])
    for profile in document["profiles"]:
        assert set(profile) == {"type", "name", "unit", "startValue", "endValue", "samples", "weights"}
        assert profile["type"] == "sampled"
        assert profile["unit"] in UNITS
        assert len(profile["samples"]) == len(profile["weights"]) > 0
        assert all(0 <= index < len(frames) for sample in profile["samples"] for index in sample)
        assert profile["endValue"] - profile["startValue"] == sum(profile["weights"]) > 0
    return document


def stacks_of(document: dict[str, Any]) -> dict[str, list[tuple[str, float]]]:
    """Each profile's stacks as "a > b > c" with their weights, by the profile's name."""
    names = [frame["name"] for frame in document["shared"]["frames"]]
    return {
        profile["name"]: [
            (" > ".join(names[index] for index in sample), weight)
            for sample, weight in zip(profile["samples"], profile["weights"], strict=True)
        ]
        for profile in document["profiles"]
    }
