"""Ways for a worker to end that are no hang; $CALL names the one to go."""

import ctypes
import os
import sys
import time

from phases import application_that

WHILE_IT_IS_WATCHED_S = 2.5


def answer():
    return None


def crash_in_c():
    ctypes.string_at(0)


def crash_while_starting():
    time.sleep(WHILE_IT_IS_WATCHED_S)
    ctypes.string_at(0)


def leave_with_1():
    time.sleep(WHILE_IT_IS_WATCHED_S)
    os._exit(1)


def exit_while_starting():
    time.sleep(WHILE_IT_IS_WATCHED_S)
    sys.exit(1)


def raise_while_starting():
    time.sleep(WHILE_IT_IS_WATCHED_S)
    raise RuntimeError("no settings for this stage")


def grow():
    kept = []
    while True:
        kept.append(b"x" * (8 << 20))
        time.sleep(0.05)


def grow_while_starting():
    time.sleep(WHILE_IT_IS_WATCHED_S)
    grow()


def grow_a_little():
    kept = [b"x" * (8 << 20) for _ in range(6)]
    time.sleep(0.5)
    return len(kept)


application, make_application = application_that(globals()[os.environ["CALL"]])
