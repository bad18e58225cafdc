"""Keeps its memory from other processes, as an application that holds secrets may do: prctl(2), PR_SET_DUMPABLE."""

import ctypes

PR_SET_DUMPABLE = 4

if ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
    raise OSError("prctl")


def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "0")])
    return []
