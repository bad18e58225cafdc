"""Waits on this machine: locks, children, sleeps, computing; $CALL names the one to do."""

import asyncio
import fcntl
import multiprocessing
import os
import queue
import re
import subprocess
import sys
import tempfile
import threading
import time

from phases import application_that

# --- locks


def take_lock_twice():
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


def take_lock_beside_a_thread():
    threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
    take_lock = threading.Lock().acquire
    take_lock()
    take_lock()


def wait_for_event():
    threading.Event().wait()


def sleep_beside_a_thread():
    threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
    sleep_long()


def take_from_queue():
    return queue.Queue().get()


def take_process_lock():
    lock = multiprocessing.Lock()
    with lock, lock:
        pass


def take_file_lock():
    path = tempfile.mkstemp()[1]
    with open(path, "w") as held, open(path, "w") as wanted:  # noqa: PTH123
        fcntl.flock(held, fcntl.LOCK_EX)
        fcntl.flock(wanted, fcntl.LOCK_EX)


def take_record_lock():
    path = tempfile.mkstemp()[1]
    hold = (
        "import fcntl, sys, time\n"
        "file = open(sys.argv[1], 'w')\n"
        "fcntl.lockf(file, fcntl.LOCK_EX)\n"
        "print('held', flush=True)\n"
        "time.sleep(3600)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", hold, path], stdout=subprocess.PIPE)
    holder.stdout.readline()
    with open(path, "w") as wanted:  # noqa: PTH123
        fcntl.lockf(wanted, fcntl.LOCK_EX)


def take_lock_of_filelock():
    import filelock

    path = tempfile.mkstemp()[1]
    # In another thread: the library itself tells a thread that would wait for its own lock.
    held = filelock.FileLock(path, thread_local=False)
    holder = threading.Thread(target=held.acquire)
    holder.start()
    holder.join()
    with filelock.FileLock(path):
        pass


async def take_loop_lock():
    lock = asyncio.Lock()
    async with lock, lock:
        pass


# --- children


def run_command():
    return subprocess.run(["sleep", "3600"], check=True)


def read_output_of_command():
    return subprocess.check_output("echo begun; sleep 3600", shell=True)


def communicate_with_command():
    command = subprocess.Popen(["sleep", "3600"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return command.communicate()


def run_in_shell():
    return os.system("sleep 3600")


async def run_command_in_loop():
    command = await asyncio.create_subprocess_exec("sleep", "3600")
    return await command.wait()


async def run_command_in_coroutine():
    return subprocess.run(["sleep", "3600"], check=True)


# --- sleeps


def sleep_long():
    time.sleep(3600)


def sleep_for_two_seconds():
    time.sleep(2)


async def sleep_in_pool():
    await asyncio.get_running_loop().run_in_executor(None, sleep_long)


async def sleep_in_loop():
    await asyncio.sleep(3600)


async def sleep_in_coroutine():
    time.sleep(3600)


# --- computing


def count_in_python():
    number = 0
    while number < 10**11:
        number += 1
    return number


def count_for_two_seconds():
    end = time.monotonic() + 2
    while time.monotonic() < end:
        pass


def match_catastrophically():
    return re.match(r"(a+)+$", "a" * 60 + "!")


def sum_in_c():
    """One call of C code that never lets go of the interpreter's lock."""
    return sum(range(10**12))


def hash_in_c():
    """C code that computes without the interpreter's lock."""
    import hashlib

    return hashlib.pbkdf2_hmac("sha256", b"secret", b"salt", 2 * 10**9)


async def count_in_coroutine():
    return count_in_python()


application, make_application = application_that(globals()[os.environ["CALL"]])
