"""Greenlets of gevent or eventlet (argument 1) suspended in many ways; prints the stacks that the interpreter itself
gives for each (`gr_frame`), outermost first, once all of them stand still. More arguments: extra garbage-collected
objects (a number), and how many greenlets in the pool."""

import _thread
import gc
import json
import os
import socket
import sys
import time

import greenlet

start_native_thread, native_sleep = _thread.start_new_thread, time.sleep
native_read, native_write = os.read, os.write
FLAVOUR = sys.argv[1]
BALLAST = int(sys.argv[2]) if len(sys.argv) > 2 else 0
POOL = int(sys.argv[3]) if len(sys.argv) > 3 else 5

if FLAVOUR == "gevent":
    from gevent import monkey

    monkey.patch_all(thread=False)
    import gevent
    import gevent.event
    import gevent.pool
    import gevent.queue

    spawn, sleep = gevent.spawn, gevent.sleep
    wait_for_ever, take = gevent.event.Event().wait, gevent.queue.Queue().get
    pool = gevent.pool.Pool(POOL)
elif FLAVOUR == "eventlet":
    import eventlet

    eventlet.monkey_patch(thread=False)
    import eventlet.event
    import eventlet.queue

    spawn, sleep = eventlet.spawn, eventlet.sleep
    wait_for_ever, take = eventlet.event.Event().wait, eventlet.queue.Queue().get
    pool = eventlet.GreenPool(POOL)

ballast = [[] for _ in range(BALLAST)]


class Application:
    def handle(self, wait, depth):
        if depth:
            return self.handle(wait, depth - 1)
        return [wait() for _ in range(1)]


def generate(wait):
    yield 1
    yield wait()


def delegate(wait):
    yield from generate(wait)


def through_generators(wait):
    for _ in delegate(wait):
        pass


def through_sorted(wait):
    return sorted([2, 1], key=lambda _item: wait())


def doze():
    sleep(3600)


def start_up():
    _silent, connection = socket.socketpair()
    connection.recv(1)


def stack_of(frame):
    stack = []
    while frame is not None:
        code = frame.f_code
        stack.append([getattr(code, "co_qualname", code.co_name), code.co_filename, frame.f_lineno])
        frame = frame.f_back
    return stack[::-1]


def tell():
    """From a thread of its own, which knows no hub, so that the hub stays where it is.

    Again after each line on stdin, the number of a generation: more greenlets began, and that much was collected.
    """
    while True:
        before = None
        while True:
            native_sleep(0.1)
            found = [one for one in gc.get_objects() if isinstance(one, greenlet.greenlet)]
            stacks = sorted(stack_of(one.gr_frame) for one in found if one.gr_frame is not None)
            if stacks and stacks == before and not orders:
                break
            before = stacks
        native_write(1, json.dumps({"stacks": stacks, "greenlet": greenlet.__version__}).encode() + b"\n")
        order = native_read(0, 2)
        if not order:
            os._exit(0)
        orders.append(int(order))


def grow():
    while True:
        sleep(0.02)
        if orders:
            kept.extend(spawn(application.handle, doze, number) for number in range(20))
            sleep(0)
            kept.append([[] for _ in range(3000)])
            gc.collect(orders[0])
            orders.pop()


if __name__ == "__main__":
    application = Application()
    orders = []
    kept = [
        spawn(grow),
        spawn(application.handle, wait_for_ever, 3),
        spawn(through_generators, take),
        spawn(through_sorted, doze),
        spawn(application.handle, take, 150),
        greenlet.greenlet(doze),  # never started
        spawn(len, ()),  # ends at once
    ]
    for number in range(POOL):
        pool.spawn(application.handle, (doze, take, wait_for_ever)[number % 3], number % 7)
    start_native_thread(tell, ())
    start_up()
