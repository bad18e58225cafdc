"""An application that cannot be loaded: the import raises (workers exit with code 3)."""

from settings_that_do_not_exist import DATABASE  # noqa: F401
