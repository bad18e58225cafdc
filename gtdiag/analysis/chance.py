"""Counts of two runs of different length to whether chance alone would explain their difference."""

from __future__ import annotations

import math

from gtdiag.model.comparison import Change
from gtdiag.rules.thresholds import threshold


def compare_shares(bad_before: int, of_before: int, bad_after: int, of_after: int) -> Change:
    """Bad ones among so many of each run (failed start-ups): fewer, more, or not to be told apart."""
    if not of_before or not of_after:
        return Change.UNKNOWN
    if not bad_before and not bad_after:
        return Change.SAME
    share_before, share_after = bad_before / of_before, bad_after / of_after
    if not bad_after:
        return Change.GONE if _is_rare((1 - share_before) ** of_after) else Change.UNKNOWN
    if not bad_before:
        return Change.WORSE if of_before >= of_after or _is_rare((1 - share_after) ** of_before) else Change.UNKNOWN
    if share_before == share_after:
        return Change.SAME
    if max(share_before, share_after) == 1.0:
        # All of them failed in one run and not all in the other: no count is too small to see that.
        return Change.BETTER if share_after < share_before else Change.WORSE
    return _compare_exposed(bad_before, float(of_before), bad_after, float(of_after))


def compare_rates(bad_before: int, before_s: float | None, bad_after: int, after_s: float | None) -> Change:
    """So many in so many seconds of each run (time-outs while serving): fewer, more, or not to be told apart."""
    if not bad_before and not bad_after:
        return Change.SAME
    if not before_s or not after_s:
        return Change.UNKNOWN
    if not bad_after:
        return Change.GONE if _is_rare(math.exp(-bad_before * after_s / before_s)) else Change.UNKNOWN
    if not bad_before:
        expected = bad_after * before_s / after_s
        return Change.WORSE if before_s >= after_s or _is_rare(math.exp(-expected)) else Change.UNKNOWN
    return _compare_exposed(bad_before, before_s, bad_after, after_s)


def _compare_exposed(bad_before: int, before: float, bad_after: int, after: float) -> Change:
    """Two counts of independent things, each over its exposure: the conditional test of two Poisson rates."""
    share = after / (before + after)
    total = bad_before + bad_after
    if _is_rare(_at_most(bad_after, total, share)):
        return Change.BETTER
    if _is_rare(_at_most(bad_before, total, 1 - share)):
        return Change.WORSE
    return Change.SAME


def _at_most(count: int, total: int, share: float) -> float:
    """The chance of at most `count` of `total` where each is one with the probability `share`."""
    if not 0 < share < 1:
        return 1.0
    mean, deviation = total * share, math.sqrt(total * share * (1 - share))
    if total > 1000:  # the sum is long and the normal distribution close
        return 0.5 * math.erfc((mean - count - 0.5) / (deviation * math.sqrt(2)))
    return math.fsum(math.comb(total, n) * share**n * (1 - share) ** (total - n) for n in range(count + 1))


def _is_rare(chance: float) -> bool:
    return chance <= threshold("comparison_chance")
