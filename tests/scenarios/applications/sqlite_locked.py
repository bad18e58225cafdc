"""sqlite3 waits for a database file that another connection has locked."""

import os
import sqlite3
from pathlib import Path

from phases import application_that

PATH = Path(os.environ["FOLDER"]) / f"orders-{os.getpid()}.sqlite"


def save_order():
    holder = sqlite3.connect(PATH, isolation_level=None)
    holder.execute("CREATE TABLE IF NOT EXISTS orders (id INTEGER)")
    holder.execute("BEGIN EXCLUSIVE")
    connection = sqlite3.connect(PATH, timeout=3600)
    connection.execute("INSERT INTO orders VALUES (1)")


application, make_application = application_that(save_order)
