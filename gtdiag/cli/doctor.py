"""`gtdiag doctor`: what can and cannot be observed here, and what would change it."""

from __future__ import annotations

import sys

import click

from gtdiag.cli.choose_master import HiddenProcessError, UnsupportedSystemError, choose_master, master_arguments
from gtdiag.cli.environment import describe_environment, option
from gtdiag.cli.output_file import write_standard_output
from gtdiag.cli.terminal import page_of
from gtdiag.errors import AccessError, ExitCode, NoMasterFoundError, NoSuchProcessError


@click.command(
    epilog=f"""\b
Exit codes: 0 all that matters can be observed, 1 something that matters cannot, only in part, or it could
not be found out, 2 wrong usage or several masters, 3 PID could not be looked at at all.

{describe_environment("doctor")}""",
)
@master_arguments
@option(
    "--format",
    "doctor_format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How the checks are written; the schema of the JSON: gtdiag schema --of doctor.",
)
def doctor(pid: int | None, pidfile: str | None, doctor_format: str) -> ExitCode:
    """Say beforehand what can and cannot be observed here, and the command or setting that would change it.

    For "why can it not see X", and for a new host or container beforehand. What decides is tried, not
    inferred: the memory of the master and of each worker is opened, py-spy is run, the log is looked for. PID is the
    master's; a worker's pid leads to its master; without PID the only master of this host is meant, and where there is
    none the host alone is looked at.

    \b
    Examples:
      gtdiag doctor
      gtdiag doctor 1234
      sudo gtdiag doctor 1234 --format json
    """
    if not sys.platform.startswith("linux"):
        raise UnsupportedSystemError("running processes can only be looked at on Linux")
    master_pid, is_gunicorn = _choose(pid, pidfile)

    from gtdiag.analysis.observability import diagnose
    from gtdiag.collectors.observability import collect_observability
    from gtdiag.renderers.doctor import render_doctor_json, render_doctor_text

    try:
        facts = collect_observability(master_pid, is_gunicorn=is_gunicorn)
    except ProcessLookupError:
        raise NoSuchProcessError(f"process {master_pid} ended while it was looked at") from None
    diagnosis = diagnose(facts)
    if doctor_format == "json":
        write_standard_output(render_doctor_json(diagnosis))
    else:
        write_standard_output(render_doctor_text(diagnosis, page_of(sys.stdout)))
    return ExitCode.NOTHING_FOUND if diagnosis.complete else ExitCode.FOUND


def _choose(pid: int | None, pidfile: str | None) -> tuple[int | None, bool | None]:
    """The master that is meant, and whether it is one for sure; no pid where there is none on this host."""
    try:
        return choose_master(pid, pidfile), True
    except NoMasterFoundError:
        return None, None
    except HiddenProcessError:
        raise  # nothing at all is seen of it
    except AccessError:
        if pid is None:
            raise
        return pid, None  # another user's process: to say what is missing is what this command is for
