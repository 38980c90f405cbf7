"""The part of the report that says whether the study reproduces, claim by claim."""

from dataclasses import dataclass
from html import escape

import pandas as pd

from llzo_helpers.campaign.claims import count_claims, update_claims
from llzo_helpers.campaign.model import Campaign
from llzo_helpers.campaign.not_compared import not_compared
from llzo_helpers.campaign.paper import (
    compare_with_paper,
    compared_tables,
    paper_values_for,
    verdict,
)
from llzo_helpers.campaign.verdicts import DISAGREES, UNDECIDED
from llzo_helpers.errors import InputError
from llzo_helpers.jobs.report_tables import printed


@dataclass(frozen=True)
class ClaimsPart:
    """What the report says of the paper's claims and numbers.

    Attributes
    ----------
    summary
        How many claims agree.
    disagreeing
        Those that do not.
    decided, undecided
        Tables as HTML.
    n_undecided
        Rows of the second.
    absent
        The paper's numbers without a counterpart, as HTML.
    n_absent
        How many.
    """

    summary: str
    disagreeing: list[str]
    decided: str
    undecided: str
    n_undecided: int
    absent: str
    n_absent: int


def claims_part(campaign: Campaign) -> ClaimsPart | None:
    """Test the paper's claims, write `claims.csv`, and return what to show; None without any."""
    claims = update_claims(campaign)
    if claims.empty:
        return None
    open_ones = claims["verdict"] == UNDECIDED
    absent = _absent(campaign)
    return ClaimsPart(
        summary=count_claims(claims),
        disagreeing=claims.loc[claims["verdict"] == DISAGREES, "claim"].to_list(),
        decided=claims_html(claims[~open_ones]),
        undecided=claims_html(claims[open_ones]),
        n_undecided=int(open_ones.sum()),
        absent=absent.to_html(index=False, border=0),
        n_absent=len(absent),
    )


def comparison_verdict(campaign: Campaign) -> list[str]:
    """Return what agrees with the paper's numbers, in words; nothing if none was compared."""
    comparison, tables = _comparison(campaign)
    return verdict(comparison, len(paper_values_for(campaign))) if tables else []


def claims_html(claims: pd.DataFrame) -> str:
    """Return claims as a table that wraps, each topic under its name."""
    parts, topic = [], ""
    for row in claims.assign(why=told_once(claims)).to_dict("records"):
        if row["topic"] != topic:
            topic = row["topic"]
            parts.append(f'<tr><th class="left" colspan="3">{escape(topic)}</th></tr>')
        why = f'<br><span class="why">{escape(row["why"])}</span>' if row["why"] else ""
        parts.append(
            f'<tr><td title="{escape(row["where"])}">{_unbroken(row["claim"])}</td>'
            f"<td>{_unbroken(row['numbers'])}{why}</td><td>{row['verdict']}</td></tr>"
        )
    heads = "".join(f'<th class="left">{x}</th>' for x in ("the paper", "this campaign", "verdict"))
    return (
        f'<table class="claims"><thead><tr>{heads}</tr></thead><tbody>{"".join(parts)}'
        "</tbody></table>"
    )


def told_once(claims: pd.DataFrame) -> list[str]:
    """Return the reasons of claims in words, those given before by the claim that has them."""
    first_of: dict[str, str] = {}
    told = []
    for claim, why in claims[["claim", "why"]].itertuples(index=False):
        if why == "open":
            told.append("The reason is open.")
        elif why in first_of:
            told.append(f'As for "{first_of[why]}"')
        else:
            told.append(why)
            if why:
                first_of[why] = claim
    return told


def _unbroken(text: str) -> str:
    """Return text for a page, in which numbers keep their signs and units."""
    for sign in (" %", "< ", "> "):
        text = text.replace(sign, sign.replace(" ", "\N{NO-BREAK SPACE}"))
    return printed(escape(text))


def _comparison(campaign: Campaign) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """Return the comparison, made anew, and the tables that it is made of; empty without them."""
    try:
        tables = compared_tables(campaign)
    except InputError:
        # the section of the table says why it cannot be read
        tables = {}
    return compare_with_paper(tables), tables


def _absent(campaign: Campaign) -> pd.DataFrame:
    """Return the paper's numbers without a counterpart; all of them if nothing was compared."""
    comparison, tables = _comparison(campaign)
    return not_compared(campaign, comparison, tables)
