"""Models and settings in $FILE, which is slow or never comes."""

import os
from pathlib import Path

from phases import application_that

FILE = os.environ["FILE"]


def load_pickled_model():
    import pickle

    with Path(FILE).open("rb") as file:
        return pickle.load(file)


def load_pickled_model_in_python():
    import pickle

    with Path(FILE).open("rb") as file:
        return pickle._Unpickler(file).load()


def load_joblib_model():
    import joblib

    return joblib.load(FILE)


def load_numpy_model():
    import numpy

    return numpy.load(FILE)


def read_settings():
    return Path(FILE).read_text()


def read_plain_settings():
    with open(FILE) as file:  # noqa: PTH123  (a built-in function: no frame of its own)
        return file.read()


async def read_settings_in_coroutine():
    return Path(FILE).read_text()


application, make_application = application_that(globals()[os.environ["CALL"]])
