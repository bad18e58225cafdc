"""Masks and mount tables of /proc, as the kernel writes them."""

from __future__ import annotations

import os
import sys

import pytest

from gtdiag.collectors.own_rights import collect_own_facts, parse_capabilities, parse_hidepid


@pytest.mark.parametrize(
    ("mask", "names"),
    [
        ("0000000000000000", set()),
        ("00000000a80425fb", {"DAC_OVERRIDE"}),  # Docker's default set
        ("0000000000080000", {"SYS_PTRACE"}),
        ("000001ffffffffff", {"DAC_OVERRIDE", "DAC_READ_SEARCH", "SYS_PTRACE", "SYS_ADMIN", "SYSLOG"}),
    ],
)
def test_capabilities(mask: str, names: set[str]) -> None:
    assert parse_capabilities(mask) == names


PROC = "23 28 0:21 / /proc rw,nosuid,nodev,noexec,relatime shared:14 - proc proc rw"


@pytest.mark.parametrize(
    ("table", "option"),
    [
        (PROC, "off"),
        (f"{PROC},hidepid=2", "invisible"),
        (f"{PROC},gid=4,hidepid=invisible", "invisible"),
        (f"{PROC},hidepid=4,subset=pid", "ptraceable"),
        (f"{PROC},hidepid=0", "off"),
        (f"{PROC}\n{PROC},hidepid=1", "noaccess"),  # mounted over
        (f"{PROC},hidepid=2\n30 28 0:4 / /proc/sys ro - proc proc ro", "invisible"),
        ("30 28 0:4 / / rw - ext4 /dev/vda rw", None),
        ("not a table", None),
    ],
)
def test_hidepid(table: str, option: str | None) -> None:
    assert parse_hidepid(table) == option


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
def test_this_process() -> None:
    own = collect_own_facts()
    assert own.user_id == os.geteuid()
    assert own.capabilities is not None
