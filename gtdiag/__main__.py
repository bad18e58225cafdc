"""`python -m gtdiag`: the same as the command `gtdiag`."""

from __future__ import annotations

from gtdiag.cli.main import main

if __name__ == "__main__":
    main()
