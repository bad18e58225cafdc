"""A blame to its story: the application's way to the call, what it waits for, the stack with that way standing out."""

from __future__ import annotations

from gtdiag.model.report import Blocked, Owner, StackFrame
from gtdiag.renderers import phrases, report_words
from gtdiag.renderers.html.anchors import frame_anchor
from gtdiag.renderers.html.markup import Markup, element

MAX_HIDDEN_FRAMES = 40
"""Frames of one unfolded stretch between the application's: more of them tell nothing, and a stack has no bound."""

MAX_STEPS = 12

_OWNERS = {Owner.APP: "application", Owner.LIBRARY: "library", Owner.STDLIB: "stdlib", Owner.GUNICORN: "gunicorn"}


def show_story(blocked: Blocked) -> Markup | None:
    """Return the way as steps: application functions, the library's call, what is waited for; None where not known."""
    path = blocked.path or ((blocked.call,) if blocked.call else ())
    steps = [element("li", element("code", name), class_="app") for name in path[:MAX_STEPS]]
    if len(path) > MAX_STEPS:
        steps.insert(MAX_STEPS // 2, element("li", f"{len(path) - MAX_STEPS} more"))
    library, waiting = phrases.say_library(blocked), phrases.say_waiting(blocked.waiting_on)
    if library:
        steps.append(element("li", element("code", library)))
    if waiting:
        steps.append(element("li", "waits on ", waiting, class_="wait"))
    return element("ol", steps, class_="story", aria_label="the way to the call") if len(steps) > 1 else None


def show_stack(blocked: Blocked, group: int) -> Markup | None:
    """Return the stack, outermost first; stretches of frames that tell little can be unfolded."""
    if not blocked.stack:
        return None
    kept = report_words.frames_to_show(blocked.stack)
    items: list[Markup] = []
    hidden: list[tuple[int, StackFrame]] = []
    for position, frame in enumerate(blocked.stack):
        if position not in kept:
            hidden.append((position, frame))
            continue
        items += _fold_away(hidden, group)
        hidden = []
        items.append(_show_frame(frame, frame_anchor(group, position)))
    items += _fold_away(hidden, group)
    waiting = phrases.say_waiting(blocked.waiting_on)
    figures = phrases.say_figures([blocked.waiting_on])
    if waiting:
        items.append(
            element(
                "li",
                element("span", "waits on ", waiting),
                element("span", figures, class_="place") if figures else None,
                class_="wait",
            )
        )
    return element(
        "figure",
        element("figcaption", f"{phrases.HOW_SEEN[blocked.how]}; outermost first, the application's own frames marked"),
        element("ol", items, class_="stack"),
    )


def frames_shown(blocked: Blocked) -> list[tuple[int, StackFrame]]:
    """Return the frames that can be led to, with their positions."""
    kept = report_words.frames_to_show(blocked.stack)
    return [(position, frame) for position, frame in enumerate(blocked.stack) if position in kept]


def _fold_away(frames: list[tuple[int, StackFrame]], group: int) -> list[Markup]:
    if not frames:
        return []
    shown = [_show_frame(frame, frame_anchor(group, position)) for position, frame in frames[:MAX_HIDDEN_FRAMES]]
    if len(frames) > MAX_HIDDEN_FRAMES:
        shown.append(element("li", f"{len(frames) - MAX_HIDDEN_FRAMES} more in --format json", class_="more"))
    words = phrases.say_count(len(frames), "frame")
    return [
        element(
            "li", element("details", element("summary", words, _whose(frames)), element("ol", shown)), class_="fold"
        )
    ]


def _whose(frames: list[tuple[int, StackFrame]]) -> str:
    """Say whose frames they are: " of uvicorn, starlette, asyncio"."""
    packages = dict.fromkeys(
        phrases.say_installed_file(frame.file).lstrip("/").partition("/")[0].removesuffix(".py")
        for _, frame in frames
        if frame.owner is not Owner.APP and not phrases.say_installed_file(frame.file).startswith(("/", "<"))
    )
    names = [name for name in packages if name][:4]
    return f" of {', '.join(names)}" if names else ""


def _show_frame(frame: StackFrame, anchor: str) -> Markup:
    return element(
        "li",
        element("code", frame.function[:300]),
        element("span", report_words.say_frame_place(frame)[-400:], class_="place"),
        class_=_OWNERS[frame.owner],
        id=anchor,
    )
