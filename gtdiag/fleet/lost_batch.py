"""Sources whose work was lost, to partial analyses that say so: each of them unread, and why."""

from __future__ import annotations

from gtdiag.analysis.fleet.merging import merge_partials
from gtdiag.analysis.fleet.partial import draw_unread
from gtdiag.fleet.partial_codec import encode_partial
from gtdiag.fleet.work import Batch, BatchResult


def draw_lost(batch: Batch, why: str) -> BatchResult:
    """A batch of which nothing came back. `why`: a sentence in which `{file}` stands for the first file of a source."""
    partials = [
        draw_unread(source.files, why.format(file=source.files[0]), key=source.key, host=source.host)
        for source in batch
    ]
    return BatchResult(encode_partial(merge_partials(partials)), len(batch))
