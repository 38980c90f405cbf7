"""What a campaign shows: the numbers, claims and figures of the page of results."""

import os
from pathlib import Path

import pandas as pd

from llzo_helpers.campaign.claims import count_claims, judge_claims, paper_claims
from llzo_helpers.campaign.evidence import read_evidence
from llzo_helpers.campaign.model import load_campaign
from llzo_helpers.campaign.verdicts import UNDECIDED
from llzo_helpers.figures.register import load_figure
from llzo_helpers.jobs.export import draw_pictures
from llzo_helpers.jobs.report_claims import comparison_verdict, told_once
from llzo_helpers.paths import RESULTS

DOCS = Path(__file__).parents[1]
CAMPAIGN = os.environ.get("CAMPAIGN", "quick")
FIGURES = {
    "figure_1a": ("03_diffusion", "Diffusivity against volume"),
    "figure_2": ("04_sites", "Density of lithium, coloured by residence time"),
    "back_jumps": ("04_sites", "Back-jumps, with their range over definitions"),
    "figure_4": ("04_sites", "Static volumes of sites"),
    "figure_5": ("04_sites", "Accessible volumes of sites"),
    "figure_3a": ("05_gop", "Graph order parameter"),
    "gop_counting": ("05_gop", "How much of the order parameter is counting"),
    "figure_3c": ("05_gop", "Pair distribution of oxygen"),
    "structure_map": ("05_gop", "A map of structures"),
    "crossover": ("06_crossover", "Diffusivity of glasses by structure and potential"),
}
"""Figures that the page shows if the campaign has them: the notebook of each, and what it shows."""


def has_results() -> bool:
    """Return whether there is a campaign to show."""
    return (RESULTS / CAMPAIGN / "diffusion.csv").is_file()


def found() -> str:
    """Return what agrees with the paper and what does not, in words."""
    if not has_results():
        return "No campaign was run where this page was built; `make docs` shows the shipped one."
    campaign = load_campaign(CAMPAIGN)
    done = f"{len(campaign.finished_runs)} of {len(campaign.runs)} runs are done"
    first, *others = comparison_verdict(campaign) or [""]
    lines = [f"This is the campaign `{CAMPAIGN}`: {campaign.description} ({done}). {first}"]
    return "\n\n".join([*lines, "\n".join(f"- {sentence}" for sentence in others)])


def claims() -> str:
    """Return the paper's claims as tables in Markdown; with their verdicts if there are results."""
    if not has_results():
        rules = [
            {
                "topic": claim.topic,
                "the paper": claim.claim,
                "where": claim.where,
                "rule": ", ".join(dict.fromkeys(test.rule for test in claim.tests)),
            }
            for claim in paper_claims().claims
        ]
        return _by_topic(pd.DataFrame(rules))
    table = judge_claims(read_evidence(load_campaign(CAMPAIGN)))
    reasons = [f" *{why}*" if why else "" for why in told_once(table)]
    table["this campaign"] = table["numbers"] + reasons
    table = table.rename(columns={"claim": "the paper"})
    undecided = table["verdict"] == UNDECIDED
    columns = ["topic", "the paper", "where", "this campaign", "verdict"]
    parts = [
        count_claims(table),
        _by_topic(table.loc[~undecided, columns]),
        "### Not decidable with this campaign",
        _by_topic(table.loc[undecided, columns[:-1]]),
    ]
    return "\n\n".join(parts)


def _by_topic(table: pd.DataFrame) -> str:
    """Return a table in Markdown, in which each topic is a row of its own."""
    columns = [name for name in table if name != "topic"]
    lines = [_line(columns), _line(["---"] * len(columns))]
    for topic, rows in table.groupby("topic", sort=False):
        lines.append(_line([f"**{topic}**", *[""] * (len(columns) - 1)]))
        lines += [_line(row) for row in rows[columns].to_numpy().tolist()]
    return "\n".join(lines)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/').replace('<', '&lt;') for cell in cells)} |"


def gallery() -> str:
    """Return pictures that lead to notebooks; none without results or a browser to draw them."""
    folder = RESULTS / CAMPAIGN / "figures"
    sources = {name: path for name in FIGURES if (path := folder / f"{name}.json").is_file()}
    pictures = {name: DOCS / "tutorials" / f"{name}.png" for name in sources}
    (DOCS / "tutorials").mkdir(exist_ok=True)
    stale = {
        picture: load_figure(sources[name], load_campaign(CAMPAIGN))
        for name, picture in pictures.items()
        if not picture.is_file() or picture.stat().st_mtime < sources[name].stat().st_mtime
    }
    if stale and not draw_pictures(stale):
        return ""
    shown = []
    for name in pictures:
        notebook, words = FIGURES[name]
        options = f":alt: {words}\n:target: tutorials/{notebook}.html\n:figclass: thumbnail"
        shown.append(f"```{{figure}} tutorials/{name}.png\n{options}\n\n{words}\n```")
    return "::::{container} gallery\n" + "\n\n".join(shown) + "\n::::"
