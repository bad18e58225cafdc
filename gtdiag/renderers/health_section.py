"""How the health endpoint answered during a watch: a section of the text report, and a line of the live view."""

from __future__ import annotations

from gtdiag.model.report import Health, Report
from gtdiag.renderers import phrases
from gtdiag.renderers.report_words import Fact
from gtdiag.renderers.text_page import TextPage

MAX_OUTAGES = 5


def write_health(page: TextPage, report: Report) -> None:
    """Write the section where an endpoint was asked."""
    health = report.health
    if health is None:
        return
    page.heading("Health")
    for fact in say_health(health):
        unwell = fact.label == "answers" and health.answered != health.probes
        page.field(fact.label, fact.text, style="red" if unwell else "")
    if len(health.outages) > MAX_OUTAGES:
        page.field("", f"{len(health.outages) - MAX_OUTAGES} more in --format json", style="dim")


def say_health(health: Health) -> list[Fact]:
    """Return what the endpoint answered; the first outage has a label, those after it have none."""
    facts = [Fact("url", health.url), Fact("answers", say_answers(health))]
    if health.first_answer_after_s is not None:
        facts.append(
            Fact("first answer", f"{phrases.say_seconds(health.first_answer_after_s)} after the master's start")
        )
    for number, outage in enumerate(health.outages[:MAX_OUTAGES]):
        start, end = phrases.say_time(outage.start), phrases.say_time(outage.end)
        when = start if start == end else f"{start} to {end}"
        words = f"{when}, {phrases.say_count(outage.probes, 'probe')}: {outage.error}"
        facts.append(Fact("no answer" if number == 0 else "", words))
    return facts


def say_answers(health: Health) -> str:
    """Return "58 of 60 probes, median 4 ms, worst 31 ms"."""
    text = f"{health.answered} of {phrases.say_count(health.probes, 'probe')}"
    if health.median_latency_s is None or health.worst_latency_s is None:
        return text
    return f"{text}, median {health.median_latency_s * 1000:.0f} ms, worst {health.worst_latency_s * 1000:.0f} ms"
