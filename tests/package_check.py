"""Builds the sdist and the wheel, and installs them as users do: `make package-check`; ends at the first fault."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from tests.environments import REPOSITORY

LOG = REPOSITORY / "fixtures" / "logs" / "sync-23.0.0-timeout-urllib" / "log.txt"
DIST = REPOSITORY / "dist"


def run(*words: str | Path, expect: int = 0, **variables: str) -> str:
    """Run a command and return its standard output; its whole output and the end, where it ends otherwise."""
    command = [os.fspath(word) for word in words]
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(command, env={**clean, **variables}, capture_output=True, text=True, check=False)
    if done.returncode != expect:
        sys.exit(f"{' '.join(command)}: exit {done.returncode}, not {expect}\n{done.stdout}{done.stderr}")
    return done.stdout


def build() -> tuple[Path, Path]:
    """The sdist, and the wheel that is built from the sdist."""
    for old in DIST.glob("gtdiag-*"):
        old.unlink()
    run(sys.executable, "-m", "build", "--outdir", DIST, REPOSITORY)
    (wheel,), (sdist,) = DIST.glob("*.whl"), DIST.glob("*.tar.gz")
    run(sys.executable, "-m", "twine", "check", "--strict", wheel, sdist)
    return wheel, sdist


def check_contents(wheel: Path, sdist: Path) -> None:
    """The wheel has every file of the package, whatever its kind, and the man page; the sdist what the tests need."""
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    files = run("git", "-C", REPOSITORY, "ls-files", "gtdiag").splitlines()
    missing = [name for name in files if name not in packed]
    missing += [
        end for end in ("share/man/man1/gtdiag.1", "licenses/LICENSE") if not any(n.endswith(end) for n in packed)
    ]
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    missing += [name for name in ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md") if name not in names]
    foreign = [name for name in packed if not name.startswith(("gtdiag/", "gtdiag-"))]
    if missing or foreign:
        sys.exit(f"missing: {missing}; in the wheel by mistake: {foreign}")
    print(f"{wheel.name}: {len(packed)} files, {wheel.stat().st_size / 1024:.0f} KiB; {sdist.name}: {len(names)} files")


def try_command(how: str, gtdiag: Path) -> None:
    """What a user does first."""
    version = run(gtdiag, "--version").strip()
    run(gtdiag, "--help")
    report = run(gtdiag, "analyze", LOG, expect=1)
    if "read_upstream" not in report:
        sys.exit(f"{how}: {report}")
    print(f"{how}: {version}; analyze says: {report.splitlines()[0]}")


def install(wheel: Path, folder: Path) -> None:
    """With pip, pipx and uv, each into a place of its own."""
    run(sys.executable, "-m", "venv", folder / "venv")
    run(folder / "venv" / "bin" / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check", wheel)
    try_command("pip", folder / "venv" / "bin" / "gtdiag")
    if not (folder / "venv" / "share" / "man" / "man1" / "gtdiag.1").is_file():
        sys.exit("pip: no man page")
    homes = {"PIPX_HOME": folder / "pipx", "PIPX_BIN_DIR": folder / "pipx-bin", "PIPX_MAN_DIR": folder / "pipx-man"}
    run(sys.executable, "-m", "pipx", "install", wheel, **{name: os.fspath(path) for name, path in homes.items()})
    try_command("pipx", folder / "pipx-bin" / "gtdiag")
    if not (folder / "pipx-man" / "man1" / "gtdiag.1").exists():
        sys.exit("pipx: no man page")
    homes = {"UV_TOOL_DIR": folder / "uv", "UV_TOOL_BIN_DIR": folder / "uv-bin", "UV_CACHE_DIR": folder / "uv-cache"}
    uv = Path(sys.executable).with_name("uv")
    run(uv, "tool", "install", wheel, **{name: os.fspath(path) for name, path in homes.items()})
    try_command("uv tool", folder / "uv-bin" / "gtdiag")


def main() -> None:
    """Build, look, install, run."""
    wheel, sdist = build()
    check_contents(wheel, sdist)
    with tempfile.TemporaryDirectory() as folder:
        install(wheel, Path(folder))


if __name__ == "__main__":
    main()
