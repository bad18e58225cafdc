"""Preloaded, with a thread in the master that holds a lock while the workers are forked: no worker can ever take it."""

import threading
import time

from phases import application_that

LOCK = threading.Lock()


def refresh_prices():
    with LOCK:
        time.sleep(3600)


def render_page():
    with LOCK:
        return b"ok\n"


application, make_application = application_that(render_page)
threading.Thread(target=refresh_prices, daemon=True).start()
