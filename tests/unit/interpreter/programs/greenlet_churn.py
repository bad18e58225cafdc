"""Greenlets that run and stop again as fast as they can, on two ways in turn, and others that begin and end."""

import sys

import gevent
import gevent.pool


def inner_left():
    gevent.sleep(0)


def left():
    inner_left()


def inner_right():
    gevent.sleep(0)


def middle_right():
    inner_right()


def right():
    middle_right()


def turn():
    while True:
        left()
        right()


def begin_and_end():
    pool = gevent.pool.Pool(20)
    while True:
        pool.spawn(left)
        garbage = [[number] for number in range(50)]
        del garbage


if __name__ == "__main__":
    for _ in range(30):
        gevent.spawn(turn)
    gevent.spawn(begin_and_end)
    gevent.sleep(0.1)
    sys.stdout.write('"ready"\n')
    sys.stdout.flush()
    gevent.sleep(600)
