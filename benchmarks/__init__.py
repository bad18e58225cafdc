"""What `make bench` runs. gtdiag is measured as an installer leaves it: compiled, whatever this environment says."""

import compileall
import os
from pathlib import Path

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
compileall.compile_dir(Path(__file__).resolve().parent.parent / "gtdiag", quiet=1)
