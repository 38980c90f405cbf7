"""Does it reproduce? The paper's claims, each tested on the tables of a campaign."""

from functools import cache
from typing import Self

import pandas as pd
from pydantic import model_validator

from llzo_helpers.campaign.claim_rules import Rule
from llzo_helpers.campaign.evidence import (
    QUANTITIES,
    Evidence,
    NotMeasured,
    Subject,
    read_evidence,
)
from llzo_helpers.campaign.model import Campaign
from llzo_helpers.campaign.paper import paper_reason, paper_values_for
from llzo_helpers.campaign.tables import save_table
from llzo_helpers.campaign.verdicts import (
    AGREES,
    DISAGREES,
    PARTLY,
    UNDECIDED,
    Finding,
    all_of,
)
from llzo_helpers.paths import DATA
from llzo_helpers.schema import Model, load_yaml, validate

COLUMNS = ["topic", "claim", "where", "verdict", "numbers", "why"]


class Claim(Model):
    """A claim of the paper, in our words."""

    topic: str
    claim: str
    where: str
    """In the paper."""
    tests: list[Rule]
    why: str = ""
    """The name of a reason of `data/paper_reasons.yaml`; none: open."""


class Claims(Model):
    """The content of `data/paper_claims.yaml`."""

    systems: dict[str, Subject]
    claims: list[Claim]

    @model_validator(mode="after")
    def _known_names(self) -> Self:
        for claim in self.claims:
            for test in claim.tests:
                content = test.model_dump()
                names = [*content.get("more", ()), *content.get("less", ())]
                names += [*content.get("among", ()), *filter(None, [content.get("system")])]
                if unknown := set(names) - set(self.systems):
                    raise ValueError(f"claims: {claim.claim}: no system {unknown.pop()!r}")
                if content.get("of", "D") not in QUANTITIES:
                    raise ValueError(f"claims: {claim.claim}: no quantity {content['of']!r}")
        return self


@cache
def paper_claims() -> Claims:
    """Return the paper's claims, `data/paper_claims.yaml`."""
    path = DATA / "paper_claims.yaml"
    return validate(Claims, load_yaml(path), str(path))


def judge_claims(evidence: Evidence, claims: Claims | None = None) -> pd.DataFrame:
    """Test the paper's claims.

    Parameters
    ----------
    evidence
        The tables of a campaign.
    claims
        By default the paper's.

    Returns
    -------
    DataFrame
        A row per claim: `topic`, `claim`, `where` in the paper, `verdict` ("agrees", "partly
        agrees", "disagrees" or "not decidable"), the `numbers` that it rests on or what is
        missing, and `why` it disagrees: what was measured of that, or "open".
    """
    chosen = claims or paper_claims()
    rows = []
    for claim in chosen.claims:
        finding = all_of([_judged(test, evidence, chosen.systems) for test in claim.tests])
        asked = finding.verdict == DISAGREES or (finding.verdict == PARTLY and claim.why)
        rows.append(
            {
                "topic": claim.topic,
                "claim": claim.claim,
                "where": claim.where,
                "verdict": finding.verdict,
                "numbers": finding.numbers,
                "why": paper_reason(claim.why) if asked else "",
            }
        )
    return pd.DataFrame(rows, columns=COLUMNS)


def _judged(test: Rule, evidence: Evidence, systems: dict[str, Subject]) -> Finding:
    try:
        return test.judge(evidence, systems)
    except NotMeasured as lack:
        return Finding(UNDECIDED, f"missing: {lack}")


def update_claims(campaign: Campaign) -> pd.DataFrame:
    """Write `claims.csv` from the tables that the campaign has, and return it.

    Without a run that corresponds to the paper's there is nothing to test, and no file.
    """
    if paper_values_for(campaign).empty:
        return pd.DataFrame(columns=COLUMNS)
    table = judge_claims(read_evidence(campaign))
    save_table(campaign, "claims", table)
    return table


def count_claims(table: pd.DataFrame) -> str:
    """Say how many claims agree and how many do not."""
    counts = table["verdict"].value_counts()
    told = [
        f"{counts.get(verdict, 0)} {words}"
        for verdict, words in (
            (AGREES, "agree"),
            (PARTLY, "partly agree"),
            (DISAGREES, "disagree"),
            (UNDECIDED, "are not decidable with this campaign"),
        )
    ]
    return f"Of {len(table)} claims of the paper, {', '.join(told[:-1])}, and {told[-1]}."
