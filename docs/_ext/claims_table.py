"""The paper's claims as a table; with the verdicts of a campaign, if one was run here."""

import os

import pandas as pd

from llzo_helpers.campaign.claims import paper_claims
from llzo_helpers.paths import RESULTS

CAMPAIGN = os.environ.get("CAMPAIGN", "quick")


def claims_table() -> str:
    """Return the table in Markdown, after a sentence that says whose verdicts it shows."""
    path = RESULTS / CAMPAIGN / "claims.csv"
    if path.is_file():
        found = pd.read_csv(path, keep_default_na=False)
        said = f"Verdicts and numbers are those of the campaign `{CAMPAIGN}`."
    else:
        rules = [
            {
                "topic": claim.topic,
                "claim": claim.claim,
                "where": claim.where,
                "rule": ", ".join(dict.fromkeys(test.rule for test in claim.tests)),
            }
            for claim in paper_claims().claims
        ]
        found = pd.DataFrame(rules)
        said = (
            "No campaign had been run where this page was built; after `make reproduce`, "
            "`make docs` shows its verdicts."
        )
    columns = [name for name in ("claim", "where", "rule", "verdict", "numbers") if name in found]
    lines = [_line(columns), _line(["---"] * len(columns))]
    topic = ""
    for row in found.to_dict("records"):
        if row["topic"] != topic:
            topic = row["topic"]
            lines.append(_line([f"**{topic}**", *[""] * (len(columns) - 1)]))
        lines.append(_line([row[name] for name in columns]))
    return f"{said}\n\n" + "\n".join(lines)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/').replace('<', '&lt;') for cell in cells)} |"
