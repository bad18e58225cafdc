"""The stacks behind a report to collapsed stacks, a line each: what flamegraph.pl, inferno and speedscope read."""

from __future__ import annotations

from gtdiag.model.stack_profile import ProfiledStack, StackProfile
from gtdiag.renderers import phrases
from gtdiag.renderers.escaping import escape_text
from gtdiag.renderers.speedscope import NO_STACKS, say_phase, say_profile


def render_collapsed(stacks: StackProfile) -> str:
    """Return "worker 7 (number 1);start-up;main thread;main (app.py:3) 1500" for each stack, ending in a newline.

    The number is the time it was there in milliseconds, and at least one for each look that saw it.
    """
    lines = []
    for worker in stacks.workers:
        for stack in worker.stacks:
            frames = [say_profile(worker), say_phase(stack), stack.strand]
            for frame in stack.frames:
                place = phrases.say_place(frame.file, frame.line)
                frames.append(f"{frame.function} ({place})" if place else frame.function)
            lines.append(f"{';'.join(_no_separator(name) for name in frames)} {_weight(stack)}")
    return "\n".join(lines or [f"{NO_STACKS} 1"]) + "\n"


def _weight(stack: ProfiledStack) -> int:
    return max(stack.looks, round(stack.seconds * 1000))


def _no_separator(name: str) -> str:
    return escape_text(name).replace(";", ",").strip() or "?"
