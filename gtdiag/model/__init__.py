"""The words of the field as small frozen dataclasses; no I/O, no clock."""
