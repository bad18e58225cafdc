"""Fetches interpreters that this machine has not: CPython 3.14 and 3.15, PyPy, a 32-bit one; and packages for each.

    sudo python tests/interpreters/set_up.py            # all of it; what is there already is kept
    sudo python tests/interpreters/set_up.py --free-threaded    # and a free-threaded CPython, built from its sources

The interpreters are Debian's, fetched with debootstrap from the mirror of this machine's own apt configuration into
`.cache/interpreters` (about 1 GiB, ignored by git). Needs root, Debian or a relative of it, and about three minutes.
Without them the tests that want them are skipped.

- `debian/`: a chroot with python3.14, python3.15 and pypy3 of Debian's testing release
- `i386/`: a chroot with the python3 of this machine's own release, for 32 bits
- `bin/python3.14` and so on: run one of them outside of its chroot, through its own loader
- `packages-3.N/`: uvloop, anyio, gevent and eventlet for that version, as far as there are wheels
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

INTERPRETERS = Path(__file__).resolve().parents[2] / ".cache" / "interpreters"
TESTING, SOURCES_OF = "forky", "trixie"
FROM_TESTING = ("python3.14", "python3.15", "pypy3")
VERSIONS = tuple(f"3.{minor}" for minor in range(8, 16))
PACKAGES = ("uvloop", "anyio", "gevent", "eventlet")
SCRIPTS = Path("/usr/share/debootstrap/scripts")

WRAPPER = """\
#!/bin/sh
# Runs an interpreter of a chroot outside of it, through the chroot's own loader and libraries.
root=$(dirname "$(dirname "$(readlink -f "$0")")")
{environment}exec "$root/{loader}" --library-path "$root/{libraries}" --argv0 "$0" "$root/{program}" "$@"
"""


def run(*command: str | Path) -> str:
    return subprocess.run([str(part) for part in command], check=True, stdout=subprocess.PIPE, text=True).stdout


def debian_mirror() -> tuple[str, str]:
    """The mirror and the release of this machine's own apt configuration."""
    listed = run("apt-get", "indextargets", "--format", "$(LABEL)|$(REPO_URI)|$(CODENAME)", "Created-By: Packages")
    for line in listed.splitlines():
        label, uri, codename = line.split("|")
        if label == "Debian" and "-" not in codename:
            return uri.rstrip("/"), codename
    raise SystemExit("apt knows of no Debian mirror here")


def debootstrap(folder: Path, suite: str, mirror: str, packages: tuple[str, ...], *options: str) -> None:
    if (folder / "complete").exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    # An older debootstrap does not know the newest release by name; the script of sid does for every one of them.
    script = [] if (SCRIPTS / suite).exists() else [SCRIPTS / "sid"]
    command = ["debootstrap", "--variant=minbase", f"--include={','.join(packages)}", *options]
    subprocess.run([*map(str, [*command, suite, folder, mirror, *script])], check=True)
    shutil.rmtree(folder / "var/cache/apt/archives", ignore_errors=True)
    (folder / "complete").touch()


def write_wrapper(name: str, folder: str, program: str, *, bits: int = 64, environment: str = "") -> None:
    loader, libraries = {
        64: ("lib64/ld-linux-x86-64.so.2", "usr/lib/x86_64-linux-gnu"),
        32: ("lib/ld-linux.so.2", "usr/lib/i386-linux-gnu"),
    }[bits]
    wrapper = INTERPRETERS / "bin" / name
    wrapper.parent.mkdir(exist_ok=True)
    wrapper.write_text(
        WRAPPER.format(
            environment=environment,
            loader=f"{folder}/{loader}",
            libraries=f"{folder}/{libraries}",
            program=f"{folder}/{program}",
        ),
        encoding="ascii",
    )
    wrapper.chmod(0o755)


def fetch_packages(version: str) -> None:
    target = INTERPRETERS / f"packages-{version}"
    if target.is_dir():
        return
    wheels_only = ["--quiet", "--no-warn-conflicts", "--only-binary=:all:", f"--python-version={version}"]
    for package in PACKAGES:
        command = [sys.executable, "-m", "pip", "install", *wheels_only, f"--target={target}", "--upgrade", package]
        if subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode:
            print(f"  no wheel of {package} for CPython {version}")
    target.mkdir(exist_ok=True)


def build_free_threaded(mirror: str) -> None:
    """Debian has no free-threaded build: one from the sources of its python3.13, which takes ten minutes or so."""
    prefix, work = INTERPRETERS / "free-threaded", INTERPRETERS / "source"
    if not (prefix / "bin/python3.13t").exists():
        shutil.rmtree(work, ignore_errors=True)
        for folder in ("lists/partial", "cache/archives/partial", "parts", "tree"):
            (work / folder).mkdir(parents=True)
        key = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
        (work / "sources.list").write_text(f"deb-src {key} {mirror} {SOURCES_OF} main\n", encoding="ascii")
        places = {
            "Dir::Etc::SourceList": "sources.list",
            "Dir::Etc::SourceParts": "parts",
            "Dir::State::Lists": "lists",
            "Dir::Cache": "cache",
        }
        apt = ["apt-get", *(f"-o{option}={work / folder}" for option, folder in places.items())]
        subprocess.run([*apt, "--quiet", "update"], check=True)
        subprocess.run([*apt, "--quiet", "source", "--download-only", "python3.13"], check=True, cwd=work)
        archive = next(work.glob("python3.13_*.orig.tar.*z"))
        subprocess.run(["tar", "xf", archive, "--strip-components=1", "--directory", work / "tree"], check=True)
        for command in (["./configure", "--disable-gil", f"--prefix={prefix}"], ["make", "-j2"], ["make", "install"]):
            subprocess.run(command, check=True, cwd=work / "tree", stdout=subprocess.DEVNULL)
        shutil.rmtree(work)
    wrapper = INTERPRETERS / "bin" / "python-free-threaded"
    wrapper.unlink(missing_ok=True)
    wrapper.symlink_to(prefix / "bin/python3.13t")


def main() -> None:
    if os.geteuid() != 0:
        raise SystemExit("debootstrap needs root: sudo python tests/interpreters/set_up.py")
    if shutil.which("debootstrap") is None:
        run("apt-get", "install", "--yes", "debootstrap")
    INTERPRETERS.mkdir(parents=True, exist_ok=True)
    mirror, own_release = debian_mirror()
    debootstrap(INTERPRETERS / "debian", TESTING, mirror, FROM_TESTING)
    debootstrap(INTERPRETERS / "i386", own_release, mirror, ("python3",), "--arch=i386")
    for version in ("3.14", "3.15"):
        write_wrapper(
            f"python{version}", "debian", f"usr/bin/python{version}", environment='PYTHONHOME="$root/debian/usr" '
        )
    write_wrapper("pypy3", "debian", "usr/bin/pypy3")
    python_32 = next((INTERPRETERS / "i386/usr/bin").glob("python3.[0-9]*")).name
    write_wrapper("python-32-bit", "i386", f"usr/bin/{python_32}", bits=32, environment='PYTHONHOME="$root/i386/usr" ')
    if "--free-threaded" in sys.argv[1:]:
        build_free_threaded(mirror)
    for version in VERSIONS:
        fetch_packages(version)
    # For processes inside of the chroot, which do not see the folder above.
    inside = INTERPRETERS / "debian/usr/local/lib/python3.14/dist-packages/uvloop"
    if not inside.is_dir():
        shutil.copytree(INTERPRETERS / "packages-3.14/uvloop", inside)
    for wrapper in sorted((INTERPRETERS / "bin").iterdir()):
        told = run(wrapper, "-c", "import sys; print(sys.version.replace(chr(10), ' '), sys.maxsize)")
        print(f"{wrapper.name}: {told.strip()}")


if __name__ == "__main__":
    main()
