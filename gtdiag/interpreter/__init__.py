"""Reads a CPython interpreter in another process: memory, ELF, layouts, objects, frames, tasks."""
