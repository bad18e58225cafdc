"""Two reports to what became of each measure, and to one sentence: did the change between them work?

Start-ups are compared by their share of all start-ups seen, what happens while serving by its rate; what a run cannot
show is "unknown" and never counted as good.
"""

from __future__ import annotations

from collections.abc import Sequence

from gtdiag import __version__
from gtdiag.analysis.chance import compare_rates, compare_shares
from gtdiag.analysis.run_facts import read_run
from gtdiag.analysis.wording import count_of, seconds_in_words
from gtdiag.model.comparison import Change, Comparison, Measure, Outcome, Run
from gtdiag.model.report import Report
from gtdiag.rules.thresholds import threshold

_MIB = 1048576
_GOOD = (Change.GONE, Change.BETTER)


def compare_reports(before: Report, after: Report) -> Comparison:
    """Compare the report of a run before a change with that of one after it."""
    return compare_runs(read_run(before), read_run(after))


def compare_runs(before: Run, after: Run) -> Comparison:
    """Compare two runs; see `Comparison`."""
    startup = _compare_startups(before, after)
    serving = _compare_serving(before, after)
    deaths = _compare_deaths(before, after)
    speed = _compare_speed(before, after)
    ready = _compare_ready(before, after)
    measures = (
        startup,
        _show("restart_loop_cycles", before.restart_loop_cycles, after.restart_loop_cycles, startup),
        _show("silent_startup_hangs", before.silent_startup_hangs, after.silent_startup_hangs, startup),
        serving,
        deaths,
        ready,
        speed,
        _compare_memory(before, after),
        *_compare_health(before, after),
    )
    outcome = _decide(before, after, measures)
    return Comparison(
        gtdiag_version=__version__,
        outcome=outcome,
        summary=_say(outcome, before, after, measures),
        before=before,
        after=after,
        measures=measures,
    )


# --- the measures ----------------------------------------------------------------------------------------------------


def _compare_startups(before: Run, after: Run) -> Measure:
    change = compare_shares(before.startups_failed, before.startups_known, after.startups_failed, after.startups_known)
    why = ""
    if change is Change.UNKNOWN:
        why = _why_startups_cannot_be_told(before, after)
    if after.hangs_could_be_unseen and change in (Change.GONE, Change.BETTER, Change.SAME, Change.UNKNOWN):
        change, why = Change.UNKNOWN, f"AFTER {_UNSEEN}"
    elif after.startups_unknown and change in (*_GOOD, Change.SAME, Change.UNKNOWN):
        change, why = Change.UNKNOWN, f"AFTER {_unknown_ends(after)}"
    elif before.hangs_could_be_unseen and not before.startups_failed:
        change, why = Change.UNKNOWN, f"BEFORE {_UNSEEN}"
    elif before.startups_unknown and not before.startups_failed:
        change, why = Change.UNKNOWN, f"BEFORE {_unknown_ends(before)}"
    return Measure("failed_startups", change, _of_startups(before), _of_startups(after), True, why)


_UNSEEN = (
    "is a log that shows nothing of a worker that hangs before its first heartbeat (gunicorn 22 and later): "
    "record it with gtdiag watch --record"
)


def _unknown_ends(run: Run) -> str:
    hint = "" if run.timeout_s else ": give the time-out setting with --timeout"
    return f"does not show of {count_of(run.startups_unknown, 'worker')} whether the start-up ended{hint}"


def _why_startups_cannot_be_told(before: Run, after: Run) -> str:
    for name, run in (("BEFORE", before), ("AFTER", after)):
        if not run.startups_known:
            hint = "" if run.timeout_s else "; give the time-out setting with --timeout"
            return f"{name} shows no start-up from its begin to its end{hint}"
    if not after.startups_failed:
        return f"AFTER has only {count_of(after.startups_known, 'start-up')}, too few for so rare a failure"
    return f"BEFORE has only {count_of(before.startups_known, 'start-up')}, too few to show that it never failed then"


def _compare_serving(before: Run, after: Run) -> Measure:
    change = compare_rates(before.timeouts_serving, before.period_s, after.timeouts_serving, after.period_s)
    why = _why_rate_cannot_be_told(before, after, before.timeouts_serving) if change is Change.UNKNOWN else ""
    words = [_rate(run.timeouts_serving, run) for run in (before, after)]
    return Measure("timeouts_serving", change, words[0], words[1], True, why)


def _compare_deaths(before: Run, after: Run) -> Measure:
    change = compare_rates(before.deaths, before.period_s, after.deaths, after.period_s)
    why = _why_rate_cannot_be_told(before, after, before.deaths) if change is Change.UNKNOWN else ""
    return Measure("deaths", change, _rate(before.deaths, before), _rate(after.deaths, after), True, why)


def _why_rate_cannot_be_told(before: Run, after: Run, bad_before: int) -> str:
    for name, run in (("BEFORE", before), ("AFTER", after)):
        if not run.period_s:
            return f"{name} does not tell how long it lasted"
    if bad_before:
        return f"AFTER is too short to show that it is gone: it was as rare as {_rate(bad_before, before)}"
    return "BEFORE is too short to show that it did not happen then"


def _compare_speed(before: Run, after: Run) -> Measure:
    """Start-up seconds of those that got ready; what never got ready is a failed start-up, not a slow one."""
    one, two = before.startup_median_s, after.startup_median_s
    change, why = Change.UNKNOWN, ""
    if one is None or two is None:
        name = "BEFORE" if one is None else "AFTER"
        why = f"{name} shows of no worker how long it took until it was ready"
    elif before.startups_failed and not after.startups_failed:
        why = "in BEFORE only some got ready, so the two are not alike"
    else:
        change = _faster_or_slower(before, after, one, two)
    return Measure("startup_seconds", change, _say_speed(before), _say_speed(after), True, why)


def _faster_or_slower(before: Run, after: Run, one: float, two: float) -> Change:
    slack_s = max(threshold("comparison_speed_s"), 2 * max(before.startup_resolution_s, after.startup_resolution_s))
    factor = threshold("comparison_speed_factor")
    if two > one * factor and two - one >= slack_s:
        return Change.WORSE
    if one > two * factor and one - two >= slack_s:
        return Change.BETTER
    return Change.SAME


def _compare_ready(before: Run, after: Run) -> Measure:
    """Whether the workers that should be ready are: of AFTER alone, as it is said of a deployment."""
    shares = [run.ready / run.expected if run.ready is not None and run.expected else None for run in (before, after)]
    change, why = Change.UNKNOWN, ""
    one, two = shares
    if one is None or two is None:
        name = "BEFORE" if one is None else "AFTER"
        why = f"{name} does not show which workers are ready"
    elif two > one:
        change = Change.BETTER
    elif two < one:
        change = Change.WORSE
    else:
        change = Change.SAME
    return Measure("ready_workers", change, _say_ready(before), _say_ready(after), True, why)


def _compare_memory(before: Run, after: Run) -> Measure:
    one, two = before.peak_rss_bytes, after.peak_rss_bytes
    change, why = Change.UNKNOWN, ""
    factor = threshold("comparison_memory_factor")
    if one is None or two is None:
        why = f"{'BEFORE' if one is None else 'AFTER'} is a log; memory is in recordings (gtdiag watch --record)"
    else:
        change = Change.WORSE if two > one * factor else Change.BETTER if one > two * factor else Change.SAME
    words = [f"{peak / _MIB:.1f} MiB" if peak is not None else "not shown" for peak in (one, two)]
    return Measure("peak_memory", change, words[0], words[1], False, why)


def _compare_health(before: Run, after: Run) -> list[Measure]:
    """How the health endpoint answered, where somebody asked it. It has no vote.

    Probes that fail in a row are one outage, not many independent failures; and what made them fail is counted already.
    """
    if before.health_probes is None and after.health_probes is None:
        return []
    change, why = Change.UNKNOWN, ""
    if not before.health_probes or not after.health_probes:
        name = "BEFORE" if not before.health_probes else "AFTER"
        why = f"in {name} nobody asked the health endpoint (gtdiag watch --health URL)"
    elif before.health_median_s is None or after.health_median_s is None:
        one, two = (bool(run.health_answered) for run in (before, after))
        change = Change.SAME if one == two else Change.BETTER if two else Change.WORSE
    else:
        change = _answers_faster_or_slower(before.health_median_s, after.health_median_s)
    return [Measure("health", change, _say_health(before), _say_health(after), False, why)]


def _answers_faster_or_slower(one_s: float, two_s: float) -> Change:
    slack_s, factor = threshold("comparison_latency_s"), threshold("comparison_latency_factor")
    if two_s > one_s * factor and two_s - one_s >= slack_s:
        return Change.WORSE
    if one_s > two_s * factor and one_s - two_s >= slack_s:
        return Change.BETTER
    return Change.SAME


def _say_health(run: Run) -> str:
    if run.health_probes is None:
        return "not asked"
    text = f"{run.health_answered} of {count_of(run.health_probes, 'probe')} answered"
    if run.health_median_s is None or run.health_worst_s is None:
        return text
    return f"{text}, median {1000 * run.health_median_s:.0f} ms, worst {1000 * run.health_worst_s:.0f} ms"


def _show(name: str, before: int, after: int, startup: Measure) -> Measure:
    """A part of the failed start-ups, shown on its own; it has no vote, or it would be counted twice."""
    change = startup.change
    if change is not Change.UNKNOWN:
        if not before and not after:
            change = Change.SAME
        elif not after:
            change = Change.GONE
        elif not before:
            change = Change.WORSE
    elif name == "restart_loop_cycles" and not before and not after:
        change = Change.SAME  # gunicorn logs every time-out, so there was none
    return Measure(name, change, str(before), str(after), False, startup.why if change is Change.UNKNOWN else "")


# --- the outcome -----------------------------------------------------------------------------------------------------


def _decide(before: Run, after: Run, measures: Sequence[Measure]) -> Outcome:
    change = {measure.name: measure.change for measure in measures}
    trouble = [change[name] for name in _TROUBLE]
    lost_workers = change["ready_workers"] is Change.WORSE and _ends_settled(after)
    if Change.WORSE in trouble or lost_workers:
        return Outcome.WORSE
    if _hides_failed_startups(after):
        return Outcome.CANNOT_TELL  # a server whose workers never start has no time-outs while serving either
    if any(one in _GOOD for one in trouble):
        left = after.startups_failed or after.timeouts_serving or after.deaths
        all_ready = after.ready is not None and after.expected is not None and after.ready >= after.expected
        sure = Change.UNKNOWN not in [change[name] for name in _TROUBLE if _had(before, name)]
        return Outcome.FIXED if all_ready and sure and not left else Outcome.BETTER
    if any(change[name] is Change.SAME and _had(after, name) for name in _TROUBLE):
        return Outcome.UNCHANGED
    if Change.UNKNOWN in trouble:
        return Outcome.CANNOT_TELL
    if change["startup_seconds"] is Change.WORSE:
        return Outcome.WORSE
    return Outcome.BETTER if change["startup_seconds"] is Change.BETTER else Outcome.UNCHANGED


def _hides_failed_startups(run: Run) -> bool:
    return run.hangs_could_be_unseen or run.startups_unknown > 0 or not run.startups_known


def _had(run: Run, name: str) -> bool:
    """Whether a run had this trouble."""
    counts = {"failed_startups": run.startups_failed, "timeouts_serving": run.timeouts_serving, "deaths": run.deaths}
    return counts[name] > 0


def _ends_settled(run: Run) -> bool:
    """Whether the workers that are not ready have had the time to be: none of them is still starting."""
    return all(startup.end.value != "unfinished" for startup in run.workers)


# --- the sentence ----------------------------------------------------------------------------------------------------


def _say(outcome: Outcome, before: Run, after: Run, measures: Sequence[Measure]) -> str:
    """The answer, then what it rests on."""
    deciding = [m for m in measures if m.decides]
    if outcome is Outcome.CANNOT_TELL:
        unknown = [m for m in deciding if m.change is Change.UNKNOWN and m.why]
        first = next((m for m in unknown if m.name in _TROUBLE), unknown[0] if unknown else None)
        text = f"Cannot tell whether it is fixed: {first.why if first else 'the two do not show enough'}"
        return f"{text}. What they show: {_trouble_words(before)} before, {_trouble_words(after)} after."
    if outcome is Outcome.WORSE:
        worse = [m for m in deciding if m.change is Change.WORSE]
        gone = [m for m in deciding if m.change in _GOOD and m.name in _TROUBLE]
        text = "Worse: " + "; ".join(_said(m) for m in worse)
        return text + (f" (better: {'; '.join(_said(m) for m in gone)})" if gone else "") + "."
    if outcome is Outcome.FIXED:
        return f"Fixed: before, {_trouble_words(before)}; after, no trouble{_all_ready(after)}."
    if outcome is Outcome.BETTER:
        better = [m for m in deciding if m.change in _GOOD]
        text = "Better: " + "; ".join(_said(m) for m in better)
        left = _trouble_words(after)
        if left != _NO_TROUBLE:
            return f"{text}. Not fixed: {left} after."
        open_ = [m for m in deciding if m.change is Change.UNKNOWN and m.name in _TROUBLE and _had(before, m.name)]
        text += _not_all_ready(after) + "."
        return text + "".join(f" Not known yet: {_LABELS[m.name]}; {m.why}." for m in open_)
    left = _trouble_words(after)
    if left != _NO_TROUBLE:
        return f"Unchanged: {left} after, {_trouble_words(before)} before."
    return f"Unchanged: neither shows a time-out, hang, kill or failed start-up{_all_ready(after)}."


_TROUBLE = ("failed_startups", "timeouts_serving", "deaths")
_NO_TROUBLE = "no trouble"
_LABELS = {
    "failed_startups": "failed start-ups",
    "timeouts_serving": "time-outs while serving",
    "deaths": "crashes, kills and unexpected exits",
    "startup_seconds": "start-up seconds",
    "ready_workers": "ready workers",
}


def _said(measure: Measure) -> str:
    return f"{_LABELS[measure.name]} {measure.before} before, {measure.after} after"


def _trouble_words(run: Run) -> str:
    """What went wrong in a run, in one phrase."""
    parts = []
    if run.startups_failed:
        parts.append(f"{run.startups_failed} of {count_of(run.startups_known, 'start-up')} failed")
        if run.silent_startup_hangs:
            parts[-1] += f" ({run.silent_startup_hangs} hung in silence)"
        if run.restart_loop_cycles:
            parts[-1] += f" (a restart loop of {count_of(run.restart_loop_cycles, 'cycle')})"
    if run.timeouts_serving:
        parts.append(f"{count_of(run.timeouts_serving, 'time-out')} while serving")
    if run.deaths:
        parts.append(f"{count_of(run.deaths, 'worker')} crashed, killed or gone")
    if not parts:
        return _NO_TROUBLE
    return ", ".join(parts) + (f", in {run.calls[0]}" if run.calls else "")


def _all_ready(run: Run) -> str:
    if run.ready is None or not run.expected or run.ready < run.expected:
        return ""
    text = f"; {run.ready} of {run.expected} workers ready"
    return text + (f" within {seconds_in_words(run.startup_slowest_s)}" if run.startup_slowest_s is not None else "")


def _not_all_ready(run: Run) -> str:
    if run.ready is None or run.expected is None or run.ready >= run.expected:
        return ""
    return f"; but only {run.ready} of {run.expected} workers were ready when it ended"


def _of_startups(run: Run) -> str:
    unknown = f", {run.startups_unknown} not shown" if run.startups_unknown else ""
    return f"{run.startups_failed} of {run.startups_known}{unknown}"


def _rate(count: int, run: Run) -> str:
    if not run.period_s:
        return str(count)
    return f"{count} in {seconds_in_words(run.period_s)}"


def _say_speed(run: Run) -> str:
    if run.startup_median_s is None or run.startup_slowest_s is None:
        return "not shown"
    return f"median {seconds_in_words(run.startup_median_s)}, slowest {seconds_in_words(run.startup_slowest_s)}"


def _say_ready(run: Run) -> str:
    expected = run.expected if run.expected is not None else "?"
    return f"{run.ready} of {expected}" if run.ready is not None else f"not shown, of {expected}"
