"""Lets the demo's workers be looked at by the user who runs them.

Some distributions (Ubuntu among them) let only a parent process read another one's memory: kernel.yama.ptrace_scope.
A process may waive that for itself, which is what each worker does here. Where gtdiag runs as root, or the setting is
0, none of this is needed.
"""

import ctypes

PR_SET_PTRACER = 0x59616D61  # prctl(2)
PR_SET_PTRACER_ANY = ctypes.c_ulong(-1)


def allow_everybody_to_look():
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0)


def on_starting(server):
    allow_everybody_to_look()


def post_fork(server, worker):
    allow_everybody_to_look()
