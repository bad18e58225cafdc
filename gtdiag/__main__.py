"""`python -m gtdiag`: the same as the command `gtdiag`."""

from __future__ import annotations

import os
import sys

# `-m` puts the working directory before everything else: the folder of the application that is looked at, whose files
# (click.py, json.py) would be imported instead of those of gtdiag's installation, by root perhaps.
_own = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 (pathlib may be such a file)
if sys.path and sys.path[0] != _own and os.path.isdir(sys.path[0]) and os.path.samefile(sys.path[0], os.curdir):  # noqa: PTH112, PTH121
    del sys.path[0]

from gtdiag.cli.main import main  # noqa: E402

if __name__ == "__main__":
    main()
