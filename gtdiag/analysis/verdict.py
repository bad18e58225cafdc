"""The findings to one or two sentences that an SRE can paste into a chat, and the remedies that fit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from gtdiag.analysis.master_startup import MasterLoading
from gtdiag.analysis.wording import count_of, describe_blocked, name_call, seconds_in_words
from gtdiag.model.report import (
    Blocked,
    Confidence,
    Gap,
    GunicornFacts,
    How,
    Incident,
    IncidentKind,
    KilledBy,
    Pattern,
    PatternKind,
    Phase,
    Remedy,
    Verdict,
    Worker,
    WorkerEnd,
)
from gtdiag.rules.remedies import BlamedCall, RemedyConditions, choose_remedies
from gtdiag.rules.remedy_text import RemedyFacts
from gtdiag.rules.rule_set import RuleSet, read_rule_set
from gtdiag.rules.thresholds import threshold

_ORDER = list(Confidence)
_KINDS_WITH_A_CALL = (IncidentKind.WORKER_TIMEOUT, IncidentKind.STARTUP_HANG, IncidentKind.MASTER_HANG)


def draw_verdict(
    incidents: Sequence[Incident],
    patterns: Sequence[Pattern],
    workers: Sequence[Worker],
    facts: GunicornFacts,
    gaps: Sequence[Gap],
    loading: Sequence[MasterLoading] = (),
    rules: RuleSet | None = None,
) -> Verdict:
    """The verdict of a whole report; `loading`: masters that are still loading the application themselves."""
    if not incidents and not patterns:
        if loading:
            return _still_loading(loading[0])
        return _nothing_found(workers, gaps, facts)
    sentences = _startup_sentences(incidents, patterns, workers, facts) or _incident_sentences(incidents)
    sentences += _other_sentences(incidents, patterns)
    blames = [incident.blocked for incident in incidents if incident.blocked is not None]
    if blames and all(blocked.how in (How.SOCKET, How.KERNEL) for blocked in blames):
        sentences = [*sentences[:3], _which_function(gaps)]
    confidence = _confidence(incidents, patterns)
    return Verdict(
        " ".join(sentences[:4]), confidence, remedies_for(incidents, patterns, facts, rules or read_rule_set())
    )


def _which_function(gaps: Sequence[Gap]) -> str:
    """What a verdict from the kernel's side alone must say, and the command that would tell more."""
    gap = next((gap for gap in gaps if gap.what in ("stacks", "suspended_code") and gap.hint), None)
    return "Which function it is cannot be seen from here" + (f"; this would show it: {gap.hint}" if gap else ".")


def _still_loading(loading: MasterLoading) -> Verdict:
    words = loading.sentence()
    return Verdict(f"Nothing found yet: {words}.", loading.confidence)


def _nothing_found(workers: Sequence[Worker], gaps: Sequence[Gap], facts: GunicornFacts) -> Verdict:
    running = sum(1 for worker in workers if worker.end.value == "running")
    starting = sum(1 for worker in workers if worker.end.value == "running" and worker.phase is Phase.STARTUP)
    words = f"Nothing found: no time-out, hang, kill or failed boot among {count_of(len(workers), 'worker')}"
    if starting:
        words += f"; {starting} of {running} still starting up"
    words += _at_this_moment(workers) + _killed_soon(workers, facts)
    unready = sum(1 for worker in workers if worker.startup_step in ("imported", "lifespan"))
    if unready and not starting:
        words += f"; but {unready} of {len(workers)} began their start-up and never got ready"
    blind = sorted({gap.what for gap in gaps})
    if blind:
        words += f". Not everything could be looked at ({', '.join(blind)}): see the gaps"
    if "heartbeat" in blind and {"stacks", "suspended_code"} & set(blind):
        # Neither the beat nor all that a worker waits in: a hang could not have been seen.
        return Verdict(f"{words}. A hang that the log does not tell of would not have been seen.", Confidence.LOW)
    unsure = any(
        worker.blocked.confidence is not Confidence.HIGH for worker in _now_in_a_call(workers) if worker.blocked
    )
    return Verdict(words + ".", Confidence.MEDIUM if blind or starting or unsure else Confidence.HIGH)


def _now_in_a_call(workers: Sequence[Worker]) -> list[Worker]:
    return [worker for worker in workers if worker.end is WorkerEnd.RUNNING and worker.blocked is not None]


def _killed_soon(workers: Sequence[Worker], facts: GunicornFacts) -> str:
    """When gunicorn will time out the first of the workers that are in a call in their start-up, where it does so."""
    ages_s = [w.heartbeat_age_s or 0.0 for w in _now_in_a_call(workers) if w.phase is Phase.STARTUP]
    left_s = (facts.timeout_s or 0.0) - max(ages_s, default=0.0)
    if not ages_s or not facts.timeout_s or left_s <= 0 or not _kills_before_first_heartbeat(facts):
        return ""
    return f"; gunicorn times out the first of them in {seconds_in_words(left_s)}"


def _at_this_moment(workers: Sequence[Worker]) -> str:
    """What most of the workers that are in a call were in at the last look: "; 2 of 2 are now in load (http: ...)"."""
    running = [worker for worker in workers if worker.end is WorkerEnd.RUNNING]
    calls = Counter(describe_blocked(worker.blocked) for worker in _now_in_a_call(workers) if worker.blocked)
    if not calls:
        return ""
    (call, number), *others = calls.most_common(2)
    besides = ", others elsewhere" if others else ""
    return f"; {number} of {len(running)} {'is' if number == 1 else 'are'} now in {call}{besides}"


def _startup_sentences(
    incidents: Sequence[Incident], patterns: Sequence[Pattern], workers: Sequence[Worker], facts: GunicornFacts
) -> list[str]:
    """The sentences for workers that do not get through their start-up: what this tool was made for."""
    contention = [p for p in patterns if p.kind is PatternKind.STARTUP_CONTENTION]
    silent = next((p for p in patterns if p.kind is PatternKind.SILENT_STARTUP_HANG), None)
    loop = next((p for p in patterns if p.kind is PatternKind.RESTART_LOOP), None)
    if not (contention or silent or loop):
        return []
    sentences = []
    if contention:
        main = max(contention, key=lambda pattern: len(pattern.pids))
        blocked = _blame_of(incidents, workers, main)
        call = describe_blocked(blocked) if blocked else f"{main.call} ({main.category.value if main.category else ''})"
        held = f" for {seconds_in_words(blocked.seconds)}" if blocked and blocked.seconds else ""
        still = "are" if silent or not loop else "were"
        text = f"{len(main.pids)} of {main.of_workers} workers {still} blocked in {call}{held} in start-up"
        sentences.append(text + _since_boot(main, workers, facts, silent is not None) + ".")
    else:
        sentences += _incident_sentences(
            [i for i in incidents if i.kind in (IncidentKind.WORKER_TIMEOUT, IncidentKind.STARTUP_HANG)]
        )
    if silent:
        version = f"gunicorn {facts.version}" if facts.version else "this gunicorn"
        sentences.append(
            f"{version} never times out a worker before its first heartbeat: nothing is logged, and nothing will kill "
            "and restart them."
        )
    if loop:
        every = f" every {seconds_in_words(loop.period_s)}" if loop.period_s else ""
        timeout = f" after {seconds_in_words(facts.timeout_s)} without a heartbeat" if facts.timeout_s else ""
        if any(i.kind is IncidentKind.WORKER_TIMEOUT for i in incidents):
            sentences.append(
                f"gunicorn kills them{timeout} and starts them again: a restart loop, {loop.cycles} cycles{every}."
            )
        else:
            sentences.append(f"Restart loop: {loop.summary}.")
    return sentences


def _since_boot(pattern: Pattern, workers: Sequence[Worker], facts: GunicornFacts, silent: bool) -> str:
    """How long the workers that are still there have been starting, and when gunicorn will kill them."""
    ages_s = [
        worker.heartbeat_age_s
        for worker in workers
        if _is_member(worker, pattern) and worker.end is WorkerEnd.RUNNING and worker.heartbeat_age_s is not None
    ]
    if not ages_s:
        return ""
    oldest_s = max(ages_s)
    text = f", {seconds_in_words(oldest_s)} after they booted"
    if facts.timeout_s and not silent:
        kills = _kills_before_first_heartbeat(facts)
        if kills and oldest_s < facts.timeout_s:
            text += f"; gunicorn kills them in {seconds_in_words(facts.timeout_s - oldest_s)}"
    elif facts.timeout_s:
        text += f" (time-out {seconds_in_words(facts.timeout_s)})"
    return text


def _kills_before_first_heartbeat(facts: GunicornFacts) -> bool:
    major = (facts.version or "").partition(".")[0]
    return major.isdecimal() and int(major) < threshold("silent_hang_since_major")


def _blame_of(incidents: Sequence[Incident], workers: Sequence[Worker], pattern: Pattern) -> Blocked | None:
    """The best-proven blame among a pattern's workers."""
    members = [i.blocked for i in incidents if _is_member(i, pattern)] + [
        w.blocked for w in workers if _is_member(w, pattern)
    ]
    blames = [blocked for blocked in members if blocked is not None and blocked.category is pattern.category]
    return min(blames, key=lambda b: (_ORDER.index(b.confidence), -(b.seconds or 0.0)), default=None)


def _is_member(one: Worker | Incident, pattern: Pattern) -> bool:
    """Whether a pattern is about it; in containers, every replica has the same pids."""
    return one.replica == pattern.replica and one.pid in pattern.pids


def _incident_sentences(incidents: Sequence[Incident]) -> list[str]:
    """One sentence for each kind of trouble, the most frequent first."""
    groups: Counter[tuple[IncidentKind, str | None]] = Counter()
    example: dict[tuple[IncidentKind, str | None], Incident] = {}
    for incident in incidents:
        key = (incident.kind, name_call(incident.blocked) if incident.blocked else None)
        groups[key] += 1
        example.setdefault(key, incident)
    return [_group_sentence(example[key], number) for key, number in groups.most_common(3)]


def _group_sentence(incident: Incident, number: int) -> str:
    if number == 1:
        summary = incident.summary[:1].upper() + incident.summary[1:]
        return summary.rstrip(".") + ("; it went on by itself." if incident.resolved_at else ".")
    words = KIND_WORDS[incident.kind]
    text = f"{number} workers {words}"
    if incident.blocked is not None:
        text += f", blocked in {describe_blocked(incident.blocked)}"
    elif incident.kind in (IncidentKind.WORKER_TIMEOUT, IncidentKind.STARTUP_HANG):
        text += "; the evidence here does not show what they were blocked in"
    elif incident.kind is IncidentKind.BOOT_FAILURE:
        text += f": {incident.summary.partition(': ')[2].rstrip('.')}"
    elif incident.kind is IncidentKind.EXTERNAL_KILL:
        by_somebody = incident.killed_by is KilledBy.EXTERNAL
        text += (
            " from outside gunicorn" if by_somebody else "; whether by the kernel's OOM killer or a person is not shown"
        )
    return text + "."


KIND_WORDS = {
    IncidentKind.WORKER_TIMEOUT: "timed out",
    IncidentKind.STARTUP_HANG: "hang in start-up past the time-out",
    IncidentKind.OOM_KILL: "were killed by the kernel: out of memory",
    IncidentKind.EXTERNAL_KILL: "were killed (SIGKILL) without a time-out",
    IncidentKind.WORKER_CRASH: "crashed",
    IncidentKind.BOOT_FAILURE: "failed to boot",
    IncidentKind.WORKER_EXIT: "ended unexpectedly",
    IncidentKind.MASTER_HANG: "never started: their masters hang",
}


def _other_sentences(incidents: Sequence[Incident], patterns: Sequence[Pattern]) -> list[str]:
    sentences = []
    misleading = next((p for p in patterns if p.kind is PatternKind.MISLEADING_OOM_MESSAGE), None)
    if misleading is not None:
        who = "gunicorn" if _all_by_gunicorn(incidents, misleading) else "somebody else"
        sentences.append(f'"Perhaps out of memory?" in the log is misleading here: {who} sent the SIGKILL.')
    blocking = next((p for p in patterns if p.kind is PatternKind.BLOCKING_CALL_IN_EVENT_LOOP), None)
    if blocking is not None:
        by = blocking.coroutine
        made_by = f", made by the coroutine {by}" if by is not None and by != blocking.call else ""
        sentences.append(f"{blocking.call} blocks the event loop: it is a synchronous call inside async code{made_by}.")
    for pattern in patterns:
        if pattern.kind in _TOLD_AS_THEY_ARE:
            sentences.append(pattern.summary[:1].upper() + pattern.summary[1:] + ".")
        if pattern.kind is PatternKind.SLOW_STARTUP and not incidents:
            most = f"; the slowest: {', '.join(pattern.evidence[:2])}" if pattern.evidence else ""
            sentences.append(f"No worker failed, but {pattern.summary}{most}.")
    return sentences


_TOLD_AS_THEY_ARE = frozenset(
    {
        PatternKind.POOL_EXHAUSTED,
        PatternKind.MEMORY_GROWTH,
        PatternKind.MEMORY_LIMIT,
        PatternKind.IDLE_CLIENT,
        PatternKind.CPU_STARVATION,
        PatternKind.SLOW_HEARTBEAT_DISK,
        PatternKind.SHARED_SOCKET,
        PatternKind.FORK_INHERITED_LOCK,
        PatternKind.DRAIN_TIMEOUT,
        PatternKind.GRACEFUL_TIMEOUT_KILL,
        PatternKind.GROUP_STALL,
    }
)
"""Patterns whose own summary is the sentence for the verdict."""


def _lacks_blame(incident: Incident) -> bool:
    if incident.kind not in _KINDS_WITH_A_CALL:
        return False
    return incident.blocked is None or incident.blocked.confidence is Confidence.LOW


def _all_by_gunicorn(incidents: Sequence[Incident], pattern: Pattern) -> bool:
    return all(i.killed_by is KilledBy.GUNICORN for i in incidents if _is_member(i, pattern))


def _confidence(incidents: Sequence[Incident], patterns: Sequence[Pattern]) -> Confidence:
    """As sure as the sentences it is made of: the leading pattern's, or the worst of the blames."""
    leading = [
        p.confidence
        for p in patterns
        if not incidents
        or p.kind in (PatternKind.STARTUP_CONTENTION, PatternKind.SILENT_STARTUP_HANG, PatternKind.RESTART_LOOP)
    ]
    blames = [i.blocked.confidence for i in incidents if i.blocked is not None]
    unexplained = [Confidence.MEDIUM for i in incidents if i.kind in _KINDS_WITH_A_CALL and i.blocked is None]
    return max(leading + blames + unexplained, key=_ORDER.index, default=Confidence.HIGH)


def remedies_for(
    incidents: Sequence[Incident], patterns: Sequence[Pattern], facts: GunicornFacts, rules: RuleSet
) -> tuple[Remedy, ...]:
    """What to do about these, each remedy once; the first blame of a kind is the one that remedies speak of."""
    conditions = RemedyConditions(
        incidents=frozenset(i.kind.value for i in incidents),
        patterns=frozenset(p.kind.value for p in patterns),
        categories=frozenset(i.blocked.category.value for i in incidents if i.blocked)
        | frozenset(p.category.value for p in patterns if p.category),
        libraries=frozenset(i.blocked.library for i in incidents if i.blocked and i.blocked.library),
        killers=frozenset(i.killed_by.value for i in incidents),
        missing=frozenset({"blame"} if any(_lacks_blame(i) for i in incidents) else ()),
    )
    return choose_remedies(
        conditions,
        [_blamed_call(incident.blocked, rules) for incident in incidents if incident.blocked],
        _remedy_facts(facts),
        rules.remedies,
    )


def remedies_for_call(
    blocked: Blocked, kind: IncidentKind, patterns: frozenset[str], facts: GunicornFacts, rules: RuleSet
) -> tuple[Remedy, ...]:
    """What to do about one call, which leads to an incident of this kind; `patterns`: those the worker is part of."""
    conditions = RemedyConditions(
        incidents=frozenset({kind.value}),
        patterns=patterns,
        categories=frozenset({blocked.category.value}),
        libraries=frozenset({blocked.library} if blocked.library else ()),
        missing=frozenset({"blame"} if blocked.confidence is Confidence.LOW else ()),
    )
    return choose_remedies(conditions, [_blamed_call(blocked, rules)], _remedy_facts(facts), rules.remedies)


def _remedy_facts(facts: GunicornFacts) -> RemedyFacts:
    known_version = (facts.version or "").partition(".")[0].isdecimal()
    return RemedyFacts(
        timeout_s=facts.timeout_s,
        version=facts.version,
        worker_class=facts.worker_class,
        workers=facts.workers,
        preload=facts.preload,
        kills_in_startup=_kills_before_first_heartbeat(facts) if known_version else None,
    )


def _blamed_call(blocked: Blocked, rules: RuleSet) -> BlamedCall:
    rule = rules.catalog.find_rule(blocked.rule)
    return BlamedCall(
        category=blocked.category.value,
        name=name_call(blocked),
        peer=blocked.waiting_on.peer if blocked.waiting_on else None,
        remedy=rule.remedy if rule else None,
    )
