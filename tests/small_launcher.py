"""Starts a command and tells, line by line on a descriptor, its pid and then what it cost (getrusage(2))."""

from __future__ import annotations

LAUNCHER = """
import json, os, sys, time
tell = int(sys.argv[1])
os.set_inheritable(tell, False)
began_s = time.monotonic()
pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
os.write(tell, b"%d\\n" % pid)
_, status, usage = os.wait4(pid, 0)
took_s = time.monotonic() - began_s
status = os.waitstatus_to_exitcode(status)
os.write(tell, json.dumps([took_s, status, usage.ru_utime + usage.ru_stime, usage.ru_maxrss]).encode() + b"\\n")
"""
"""Starts the command from a small process: a program begins with the peak memory of the one that starts it."""
