"""The accuracy matrix: real gunicorn, small real applications that block in one known place, and what gtdiag says.

    make scenarios                                          # all of it; prints the table, writes docs/accuracy.md
    make scenarios SCENARIOS_OPTIONS="-k psycopg2"          # the cells whose name contains it; their lines change
    make scenarios SCENARIOS_OPTIONS="-k psycopg2 --keep /tmp/cells"    # and keep logs, recordings, reports
    pytest tests/scenarios                                  # the fast part, as in the test run

Adding a cause, with an example for each step in causes/database.py:

1. an application in `applications/`: a function that blocks in one place with one real library, and the line
   `application, make_application = application_that(FUNCTION)` (see applications/phases.py: it calls the function at
   import, in the factory, in the ASGI lifespan or for GET /block, as the cell says). Another application may do
   everything by itself: it gets PHASE and PROTOCOL as environment variables.
2. a `Cause` in the module of its family in `causes/` (a new family: a new module with CELLS):
   what the report must say of it. `server` names what it talks to, in `servers.py`.
3. its cells: `Cell(cause, version=..., worker=..., python=..., phase=...)` or `over(cause, version=..., worker=...)`.
   What must happen there (kind of incident, who killed it, patterns) comes from `truth_of` in `cells.py`; what is
   special goes in `truth=`. `fast=True` puts a cell in the test run: keep that under some forty cells.
4. its packages in `cell_environments.py`.

`cells.py` words and truths · `run_cell.py` one run · `grading.py` right, undecided, wrong · `matrix.py` many runs side
by side and the tables. A cell that is graded wrong is a mistake of gtdiag until proven otherwise: the truth of a cell
is what was measured, never what makes it green.
"""
