"""One source to its partial analysis: the report that `analyze` gives of it alone, made small."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gtdiag.analysis import Analysis
from gtdiag.analysis.fleet.merging import merge_partials
from gtdiag.analysis.fleet.partial import draw_partial, draw_unread
from gtdiag.analysis.time_window import keep_window
from gtdiag.collectors.log_files import collect_log_events
from gtdiag.collectors.remote_files import is_url, open_url, read_head_of_url
from gtdiag.errors import GtdiagError
from gtdiag.fleet.partial_codec import encode_partial
from gtdiag.fleet.work import Batch, BatchResult, SourceFiles, SourceTables, WorkSettings, with_times
from gtdiag.model.events import CollectionGap, Event, ObservationEnded, ObservationStarted
from gtdiag.model.partial import Partial
from gtdiag.model.report import Gap, Report
from gtdiag.recording.reader import HEAD_BYTES, is_head_of_recording, is_recording, read_recording

_SAY_NOTHING_OF_GUNICORN = (ObservationStarted, ObservationEnded, CollectionGap)


def analyze_batch(batch: Batch, settings: WorkSettings) -> BatchResult:
    """The sources of a batch, one after the other. One that cannot be read is told of in the result."""
    partials: list[Partial] = []
    tables: list[SourceTables] = []
    for source in batch:
        partial, of_source = analyze_source(source, settings)
        partials.append(partial)
        if of_source is not None:
            tables.append(of_source)
    return BatchResult(encode_partial(merge_partials(partials)), len(batch), tuple(tables))


def analyze_source(source: SourceFiles, settings: WorkSettings) -> tuple[Partial, SourceTables | None]:
    """One source; never raises: among thousands, one that cannot be read is a gap."""
    try:
        report, tables = _read(source, settings)
    except GtdiagError as error:
        return draw_unread(source.files, error.message, key=source.key, host=source.host), None
    except Exception as error:  # a bug of gtdiag's that one file brings out must not cost the others
        words = (
            f"gtdiag failed on {source.files[0]} ({type(error).__name__}: {error}); analyze it alone and report that"
        )
        return draw_unread(source.files, words, key=source.key, host=source.host), None
    return draw_partial(report, key=source.key, host=source.host, deployment=source.deployment), tables


def _read(source: SourceFiles, settings: WorkSettings) -> tuple[Report, SourceTables | None]:
    writer = None
    if settings.tables:
        from gtdiag.fleet.tables import TableWriter

        writer = TableWriter(source, redact=settings.redact)
    analysis = Analysis(settings.rules)
    recorded = _holds_recording(source)
    collected = False
    problem: GtdiagError | None = None
    try:
        for event in _read_recording(source) if recorded else _read_logs(source, settings):
            analysis.add(event)
            if writer is not None:
                writer.add(event)
            collected = collected or not isinstance(event, _SAY_NOTHING_OF_GUNICORN)
    except GtdiagError as error:
        if not collected:
            raise
        problem = error
    report = analysis.report()
    if recorded:
        report = replace(report, source=replace(report.source, kind="recording", files=source.files))
    if problem is not None:
        gap = Gap("recording" if recorded else "log", f"read only in part: {problem.message}", problem.hint)
        report = replace(report, gaps=(*report.gaps, gap))
    return report, writer.finish(report) if writer is not None else None


def _holds_recording(source: SourceFiles) -> bool:
    if len(source.files) > 1:
        return False
    (file,) = source.files
    return is_head_of_recording(read_head_of_url(file, HEAD_BYTES)) if is_url(file) else is_recording(file)


def _read_recording(source: SourceFiles) -> Iterator[Event]:
    (file,) = source.files
    return read_recording(file, open_url(file) if is_url(file) else None)


def _read_logs(source: SourceFiles, settings: WorkSettings) -> Iterator[Event]:
    since, until, back_since, back_until = with_times(settings)
    events = collect_log_events(source.files, since=since, until=until, timeout_s=settings.timeout_s, must_read=False)
    return keep_window(events, back_since, back_until) if back_since or back_until else events
