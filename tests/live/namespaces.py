"""Starts a real gunicorn as a container's processes run: PID, mount, network and time namespaces, a root of its own.

    with container(environment, folder, "sync_startup:application", ...) as inside:
        inside.master_pid        # seen from here; in the container it is 1
        inside.enter("--mount")  # the command in front of another one that runs it in there

The container has only /usr, the environments' Pythons and gtdiag's, an application in /srv/app, a server on
127.0.0.1:5432 that never answers, logs in /data/logs behind a link /var/log, and Tokyo's time.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.environments import REPOSITORY, Environment
from tests.live.gunicorn_process import APPLICATIONS

CLOCK_AHEAD_S = 100_000
OTHER_USER = 10001

_MUTE_SERVER = """
import socket
server, kept = socket.create_server(("127.0.0.1", 5432)), []
print("listening", flush=True)
while True:
    kept.append(server.accept())
"""

_SCRIPT = """
set -e
PATH=$PATH:/usr/sbin:/sbin # an ordinary PATH has no pivot_root
mount --make-rprivate /
mount -t tmpfs tmpfs "$ROOT"
cd "$ROOT"
mkdir -p proc dev old tmp etc root usr srv/app data/logs var
mount --rbind /usr usr
for name in bin sbin lib lib64; do
    if [ -L /$name ]; then cp -a /$name .; elif [ -d /$name ]; then mkdir $name; mount --rbind /$name $name; fi
done
for path in $SHOWN; do mkdir -p ".$path"; mount --rbind "$path" ".$path"; done
cp /etc/passwd /etc/ld.so.cache etc/ 2>/dev/null || true
cp "$APPLICATIONS"/*.py srv/app/
printf '%s' "$MUTE" > srv/app/mute_postgres.py
ln -s /data/logs var/log
chmod 1777 tmp data/logs
mount -t proc proc proc
mount --rbind /dev dev
ip link set lo up
pivot_root . old
exec chroot . sh -c 'umount -l /old; cd /srv/app
    "$PYTHON" mute_postgres.py > /data/logs/mute.log &
    while [ ! -s /data/logs/mute.log ]; do sleep 0.05; done
    export HOME=/tmp; exec "$@"' sh "$@"
"""


@dataclass(frozen=True)
class Container:
    """A running container. `master_pid`: of its gunicorn, as seen from here."""

    master_pid: int

    @property
    def log(self) -> str:
        """gunicorn's log."""
        return Path(f"/proc/{self.master_pid}/root/data/logs/error.log").read_text(errors="replace")

    def enter(self, *kinds: str) -> list[str]:
        """The command that runs another one in namespaces of the container (nsenter's names)."""
        return ["nsenter", f"--target={self.master_pid}", *kinds, "--"]

    def beside(self, *setpriv: str) -> list[str]:
        """The command that runs another one as a sidecar does: its PIDs and network, files of this machine."""
        own_proc = 'mount -t proc proc /proc && exec "$@"'
        as_whom = ["setpriv", *setpriv] if setpriv else []
        return [*self.enter("--pid", "--net"), "unshare", "--mount", "sh", "-c", own_proc, "sh", *as_whom]


@contextlib.contextmanager
def container(
    environment: Environment,
    application: str,
    *options: str,
    variables: Mapping[str, str] | None = None,
    user: int | None = None,
) -> Iterator[Container]:
    """A container in which gunicorn serves `application`; `user`: its user and group. Skips where none can be made."""
    _need_namespaces()
    as_user = [] if user is None else ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
    unshare = ["unshare", "--mount", "--pid", "--net", "--time", "--fork", "--kill-child"]
    clocks = [f"--monotonic={CLOCK_AHEAD_S}", f"--boottime={CLOCK_AHEAD_S}"]
    gunicorn = [
        os.fspath(environment.gunicorn),
        *("--bind", "127.0.0.1:8000"),
        *("--error-logfile", "/var/log/error.log"),
        *options,
        application,
    ]
    with tempfile.TemporaryDirectory() as root:
        shown = {environment.folder, _base_prefix(environment), Path(sys.prefix), Path(sys.base_prefix), REPOSITORY}
        command = [*unshare, *clocks, "sh", "-c", _SCRIPT, "sh", *as_user, *gunicorn]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment.run_environment(
                ROOT=root,
                SHOWN=" ".join(str(path) for path in sorted({path.resolve() for path in shown})),
                APPLICATIONS=os.fspath(APPLICATIONS),
                MUTE=_MUTE_SERVER,
                PYTHON=os.fspath(environment.python),
                TZ="JST-9",
                **(variables or {}),
            ),
            start_new_session=True,
        )
        try:
            yield Container(_wait_for_master(process))
        finally:
            _kill_container(process)
            if process.stderr:
                process.stderr.close()


def _kill_container(unshare: subprocess.Popen[bytes]) -> None:
    """Pid 1 of the namespace takes everything else with it. A change of user drops what --kill-child asked for."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for child in psutil.Process(unshare.pid).children():
            child.kill()
    unshare.kill()
    unshare.wait()


def sidecar_command() -> Sequence[str]:
    """gtdiag as any user of this machine can start it."""
    return [sys.executable, "-c", "from gtdiag.cli.main import main; main()"]


def _need_namespaces() -> None:
    if os.geteuid() != 0 or any(shutil.which(name) is None for name in ("unshare", "nsenter", "setpriv", "ip")):
        pytest.skip("needs root, unshare, nsenter, setpriv (util-linux) and ip (iproute2)")
    tried = subprocess.run(
        ["unshare", "--mount", "--pid", "--net", "--time", "--fork", "mount", "-t", "tmpfs", "tmpfs", "/mnt"],
        capture_output=True,
        check=False,
    )
    if tried.returncode != 0:
        pytest.skip(f"no mounts in a namespace here: {tried.stderr.decode(errors='replace').strip()}")


def _base_prefix(environment: Environment) -> Path:
    real = environment.python.resolve()
    return real.parent.parent if real.parent.parent != Path("/usr") else Path(sysconfig.get_path("stdlib"))


def _wait_for_master(process: subprocess.Popen[bytes], deadline_s: float = 30) -> int:
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        if process.poll() is not None:
            complaint = process.stderr.read().decode(errors="replace") if process.stderr else ""
            raise AssertionError(f"the container ended at once: {complaint}")
        for child in psutil.Process(process.pid).children():
            with contextlib.suppress(psutil.Error):
                if "gunicorn" in " ".join(child.cmdline()[1:3]) and child.children():
                    return child.pid
        time.sleep(0.05)
    raise AssertionError("no gunicorn came up in the container")
