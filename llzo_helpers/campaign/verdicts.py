"""From two measured sides to one of four verdicts, by two standard errors.

Of errors with few degrees of freedom, more than two: as many as cover as much.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llzo_helpers.analysis.student import freedom_of_sum, interval_width
from llzo_helpers.campaign.evidence import Measured, Quantity
from llzo_helpers.campaign.paper import STANDARD_ERRORS
from llzo_helpers.campaign.tables import rounded

AGREES, PARTLY, DISAGREES, UNDECIDED = "agrees", "partly agrees", "disagrees", "not decidable"


@dataclass(frozen=True)
class Finding:
    """A verdict, and the numbers that it rests on."""

    verdict: str
    numbers: str


@dataclass(frozen=True)
class Contrast:
    """How far one side is above another, with the interval that the data allow.

    Attributes
    ----------
    estimate, low, high
        The difference, or the logarithm of the ratio; `low` or `high` is infinite if a side is
        known by a bound only, and `estimate` is then NaN, or if a side may be zero.
    """

    estimate: float
    low: float
    high: float

    def text(self, quantity: Quantity) -> str:
        """Return it as people read it, a logarithm as the ratio."""
        name, show = ("factor", np.exp) if quantity.ratio else ("difference", lambda x: x)
        factor = 1.0 if quantity.ratio else quantity.factor
        low, high = (factor * float(show(end)) for end in (self.low, self.high))
        if np.isfinite([self.low, self.high]).all():
            # as many digits as tell the ends apart
            digits = next((n for n in (2, 3, 4) if f"{low:.{n}g}" != f"{high:.{n}g}"), 4)
            middle = factor * float(show(self.estimate))
            told, *ends = (rounded(number, digits) for number in (middle, low, high))
            return f"{name} {told} ({' to '.join(ends)})"
        if np.isinf(self.low) and np.isinf(self.high):
            return f"{name} unknown"
        return f"{name} < {rounded(high)}" if np.isinf(self.low) else f"{name} > {rounded(low)}"


def contrast(quantity: Quantity, more: Sequence[Measured], less: Sequence[Measured]) -> Contrast:
    """Return how far the first side is above the second.

    Parameters
    ----------
    quantity
        What is compared: by ratio or by difference.
    more, less
        The sides; several values of a side are multiplied, or added.
    """
    signed = [(1.0, side) for side in more] + [(-1.0, side) for side in less]
    estimate, low, high = 0.0, 0.0, 0.0
    known: list[tuple[float, float, float]] = []
    for sign, side in signed:
        if side.limit is not None:
            # known from above: this end is finite, the other open
            end = sign * (np.log(side.limit) if quantity.ratio else side.limit)
            estimate += end
            low, high = (-np.inf, high) if sign > 0 else (low, np.inf)
            continue
        estimate += sign * (np.log(side.value) if quantity.ratio else side.value)
        known.append((sign, side.std / side.value if quantity.ratio else side.std, side.freedom))
    freedom = freedom_of_sum([std**2 for _, std, _ in known], [freedom for *_, freedom in known])
    width = interval_width(STANDARD_ERRORS, freedom)
    below = sum(_reach(width * std, sign < 0, quantity) ** 2 for sign, std, _ in known) ** 0.5
    above = sum(_reach(width * std, sign > 0, quantity) ** 2 for sign, std, _ in known) ** 0.5
    shifts = _shifts(quantity, signed)
    low, high = low + estimate - below + min(shifts), high + estimate + above + max(shifts)
    return Contrast(estimate if len(known) == len(signed) else np.nan, low, high)


def _reach(error: float, upwards: bool, quantity: Quantity) -> float:
    """Return how far an error reaches, in logarithms for a ratio.

    There that of D reaches farther down than up: with an error of a half it may be next to zero.
    """
    if upwards or quantity.logarithmic or not quantity.ratio:
        return error
    return float(-np.log1p(-error)) if error < 1 else np.inf


def _shifts(quantity: Quantity, signed: Sequence[tuple[float, Measured]]) -> list[float]:
    """Return by how much other definitions, the same on both sides, change a difference."""
    if quantity.extremes is None:
        return [0.0]
    measure = np.log if quantity.ratio else np.asarray
    by_definition = np.array([sign * measure(side.by_definition) for sign, side in signed])
    differences = by_definition.sum(axis=0)
    return [float(difference - differences[0]) for difference in differences]


def judge_size(found: Contrast, paper: float | None) -> str:
    """Say whether a contrast has the paper's direction and size.

    Parameters
    ----------
    found
        The contrast.
    paper
        The paper's, positive; None if it states the direction only.
    """
    if found.high < 0:
        return DISAGREES
    if found.low <= 0:
        # no direction; the size may be excluded all the same
        return DISAGREES if paper is not None and found.high < paper else UNDECIDED
    if paper is None:
        return AGREES
    within = np.isfinite(found.high) and found.low <= paper <= found.high
    return AGREES if within else PARTLY


def judge_likeness(found: Contrast, within: float, unlike: float) -> str:
    """Say whether two sides are alike, or partly so: not known to be, but not unlike.

    Parameters
    ----------
    found
        The contrast between them.
    within
        A contrast, to either side, that the paper calls alike.
    unlike
        One that it calls different.
    """
    if found.low > within or found.high < -within:
        return DISAGREES
    if found.low <= -unlike or found.high >= unlike:
        return UNDECIDED
    return AGREES if abs(found.estimate) <= within else PARTLY


def all_of(findings: Sequence[Finding]) -> Finding:
    """Return what is found of a claim that makes several statements.

    It agrees if all do, and disagrees if none does; with some that agree and some that do not, it
    partly agrees. A statement that is not decidable leaves the claim so, unless another
    disagrees.
    """
    verdicts = {finding.verdict for finding in findings}
    numbers = "; ".join(dict.fromkeys(finding.numbers for finding in findings))
    if DISAGREES in verdicts:
        return Finding(PARTLY if verdicts & {AGREES, PARTLY} else DISAGREES, numbers)
    for verdict in (UNDECIDED, PARTLY):
        if verdict in verdicts:
            return Finding(verdict, numbers)
    return Finding(AGREES, numbers)
