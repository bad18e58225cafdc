"""A disk that is really full, a small tmpfs, under a recording and under reports.

Where root may mount: it is mounted in a mount namespace of gtdiag's own, so that nothing of it is left.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.environments import NEWEST
from tests.faults.measured import CannotTryError, Measured, measure
from tests.live.gtdiag_command import as_module
from tests.live.hanging_start_up import hanging_start_up

OLD = "the report of yesterday\n"
MOUNT = (
    'mount -t tmpfs -o size="$SIZE" tmpfs "$DISK" && {before}; "$@"; status=$?; cp -a "$DISK/." "$KEPT"; exit $status'
)
FULL = 'cp "$OLD" "$DISK/report" && dd if=/dev/zero of="$DISK/ballast" bs=4k 2>/dev/null'
"""Nothing goes on it any more; what is there can be read."""


def on_a_disk(folder: Path, size: str, *arguments: str, full: bool = False) -> Measured:
    """Run gtdiag with a disk of that size at `folder / "disk"`; what is on it in the end is in `folder / "kept"`."""
    disk, kept, old = folder / "disk", folder / "kept", folder / "old"
    shutil.rmtree(kept, ignore_errors=True)
    for made in (disk, kept):
        made.mkdir(exist_ok=True)
    old.write_text(OLD)
    script = MOUNT.format(before=FULL if full else ":")
    variables = {"SIZE": size, "DISK": str(disk), "KEPT": str(kept), "OLD": str(old)}
    return measure(
        folder, *arguments, command=["unshare", "--mount", "sh", "-c", script, "sh", *as_module()], variables=variables
    )


def disk(formats: Sequence[str] = ("html", "json", "text")) -> list[str]:
    """A recording, and reports in these formats; what was wrong, in words. Raises CannotTryError."""
    _need_mounts()
    wrong = []
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gtdiag-disk-")))
        served = folder / "served"
        served.mkdir()
        gunicorn, _ = stack.enter_context(hanging_start_up(served, version=NEWEST, workers=2, timeout_s=2))
        place, kept = folder / "disk", folder / "kept"
        watch = ("watch", str(gunicorn.pid), "--no-live")

        done = on_a_disk(folder, "96k", *watch, "--for", "30s", "--record", str(place / "watch.jsonl"))
        print(_line("recording", done), flush=True)
        wrong += [f"recording: {words}" for words in _look(done, "cannot go on writing the recording watch.jsonl")]
        if "verify_database_migrations" not in done.stdout:
            wrong.append("recording: the report of what was seen until then is missing")
        again = measure(folder, "analyze", str(kept / "watch.jsonl"), "--format", "json")
        if not again.report["workers"]:
            wrong.append(f"recording: what was recorded cannot be read: {again.stderr[-300:]}")

        for report_format in formats:
            output = ("--format", report_format, "-o", str(place / "report"))
            done = on_a_disk(folder, "64k", *watch, "--for", "3s", *output, full=True)
            name = f"report as {report_format}"
            print(_line(name, done), flush=True)
            wrong += [f"{name}: {words}" for words in _look(done, "No space left on device")]
            if "verify_database_migrations" not in done.stdout:
                wrong.append(f"{name}: it is not on standard output instead")
            if (kept / "report").read_text() != OLD:
                wrong.append(f"{name}: the old one is not what it was")
            left = sorted(path.name for path in kept.iterdir())
            if left != ["ballast", "report"]:
                wrong.append(f"{name}: left behind: {left}")
    return [f"disk: {words}" for words in wrong]


def _line(name: str, done: Measured) -> str:
    said = done.stderr.replace("\n", " | ")[-160:]
    return f"disk       {name}: exit {done.status}, {done.peak_mb:.0f} MB, {done.took_s:.1f} s; {said}"


def _look(done: Measured, said: str) -> list[str]:
    wrong = done.wrong(statuses=(3,))
    lines = [line for line in done.stderr.splitlines() if line.startswith("gtdiag: ")]
    if len(lines) != 1 or said not in lines[0]:
        wrong.append(f"expected one line with {said!r}: {lines}")
    return wrong


def _need_mounts() -> None:
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        raise CannotTryError("needs root and unshare (util-linux)")
    with tempfile.TemporaryDirectory() as folder:
        command = ["unshare", "--mount", "mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder]
        if subprocess.run(command, check=False, capture_output=True).returncode:
            raise CannotTryError("no mounts in a namespace here")
