"""The rules that test the paper's claims on the tables of a campaign.

Each rule is a block of `tests:` in `data/paper_claims.yaml`; its numbers are the paper's own.
Intervals reach two standard errors to either side, further where these have few degrees of freedom;
upper bounds are intervals open below.
"""

from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from llzo_helpers.campaign.evidence import (
    PAPER_LITHIUM,
    QUANTITIES,
    Evidence,
    Measured,
    NotMeasured,
    Subject,
    combined,
    corresponding,
)
from llzo_helpers.campaign.paper import STANDARD_ERRORS, paper_label
from llzo_helpers.campaign.verdicts import (
    AGREES,
    DISAGREES,
    PARTLY,
    UNDECIDED,
    Contrast,
    Finding,
    contrast,
    judge_likeness,
    judge_size,
)
from llzo_helpers.schema import Model

PAPER_RUN_PS = 6000.0
Subjects = dict[str, Subject]


class _Sides(Model):
    """A quantity of some systems against that of others."""

    of: str
    more: list[str]
    less: list[str]
    temperatures_K: list[float] = Field(default_factory=lambda: [1100.0])
    """The paper's first, then where its direction can be tested."""

    def _measure(self, evidence: Evidence, subjects: Subjects) -> tuple[Contrast, str, bool]:
        """Return the contrast, what it is made of, and whether at the paper's temperature."""
        quantity = QUANTITIES[self.of]
        missing: list[str] = []
        unknown: tuple[Contrast, str, bool] | None = None
        for temperature_K in self.temperatures_K:
            try:
                found = [
                    {name: evidence.measured(self.of, name, subjects[name], temperature_K)
                     for name in side}
                    for side in (self.more, self.less)
                ]  # fmt: skip
            except NotMeasured as lack:
                missing.append(str(lack))
                continue
            result = contrast(quantity, *(list(side.values()) for side in found))
            as_in_paper = temperature_K == self.temperatures_K[0]
            values = _values(self.of, found[0] | found[1])
            at = "" if as_in_paper else f" at {temperature_K:g} K"
            measured = result, f"{values}{at}; {result.text(quantity)}", as_in_paper
            if np.isfinite([result.low, result.high]).any():
                return measured
            # bounds on both sides; perhaps not so at another temperature
            unknown = unknown or measured
        if unknown is None:
            raise NotMeasured(missing[0])
        return unknown

    def _scaled(self, number: float) -> float:
        """Return a number of the paper as contrasts have it."""
        quantity = QUANTITIES[self.of]
        return float(np.log(number)) if quantity.ratio else number / quantity.factor


class More(_Sides):
    """One side is above the other, by a factor or difference if the paper gives one."""

    rule: Literal["more"]
    paper: float | None = None

    def judge(self, evidence: Evidence, subjects: Subjects) -> Finding:
        """Return the verdict."""
        found, numbers, as_in_paper = self._measure(evidence, subjects)
        # at another temperature, the size is another: the direction remains
        sized = self._scaled(self.paper) if self.paper is not None and as_in_paper else None
        verdict = judge_size(found, sized)
        if not as_in_paper and verdict == AGREES:
            verdict = PARTLY
        paper = "" if self.paper is None else f"; paper: {self.paper:g}"
        return Finding(verdict, numbers + paper)


class Similar(_Sides):
    """Both sides are alike."""

    rule: Literal["similar"]
    within: float
    unlike: float

    def judge(self, evidence: Evidence, subjects: Subjects) -> Finding:
        """Return the verdict."""
        found, numbers, _ = self._measure(evidence, subjects)
        verdict = judge_likeness(found, self._scaled(self.within), self._scaled(self.unlike))
        return Finding(verdict, f"{numbers}; paper: up to {self.within:g}")


class Number(Model):
    """A quantity is near a number."""

    rule: Literal["number"]
    of: str
    system: str
    number: float
    within: float
    unlike: float

    def judge(self, evidence: Evidence, subjects: Subjects) -> Finding:
        """Return the verdict."""
        ours = evidence.measured(self.of, self.system, subjects[self.system], 1100.0)
        quantity = QUANTITIES[self.of]
        found = contrast(quantity, [ours], [Measured(self.number / quantity.factor, 0.0)])
        return Finding(
            judge_likeness(found, self.within, self.unlike), _values(self.of, {self.system: ours})
        )


class Maximum(Model):
    """Among some systems, in the order of their volumes, one has the largest value."""

    rule: Literal["maximum"]
    of: str
    at: str
    among: list[str]

    def judge(self, evidence: Evidence, subjects: Subjects) -> Finding:
        """Return the verdict."""
        found: dict[str, Measured] = {}
        for name in self.among:
            try:
                found[name] = evidence.measured(self.of, name, subjects[name], 1100.0)
            except NotMeasured:
                if name in (self.at, self.among[0], self.among[-1]):
                    raise
        numbers = _values(self.of, found)

        def above(first: str, second: str) -> bool:
            return contrast(QUANTITIES[self.of], [found[first]], [found[second]]).low > 0

        ends = [name for name in (self.among[0], self.among[-1]) if name != self.at]
        inside = [name for name in found if name not in ends]
        peaks = [name for name in inside if all(above(name, end) for end in ends)]
        others = [name for name in found if name != self.at]
        largest = max(found, key=lambda name: found[name].value) == self.at
        if self.at in peaks and largest:
            return Finding(AGREES, numbers)
        exceeded = any(above(name, self.at) for name in others)
        if peaks:
            # between the ends, but not there, or not known to be
            return Finding(PARTLY, numbers)
        return Finding(DISAGREES if exceeded else UNDECIDED, numbers)


class _Framework(Model):
    """About the crystals of a potential; those that stand have done so for the time of the run."""

    potential: str
    beyond: float
    """V/V_exp."""

    def _crystals(self, evidence: Evidence) -> pd.DataFrame:
        table = evidence.table("framework")
        table = table[(table["phase"] == "crystal") & table["md_potential"].notna()]
        labels = table["md_potential"].map(paper_label)
        table = table[labels == self.potential]
        broken = table["framework"].str.startswith("amorphised")
        return table.assign(broken=broken, ps=table["run"].map(evidence.run_ps).fillna(0.0))

    def _beyond(self, crystals: pd.DataFrame) -> pd.DataFrame:
        rows = crystals[crystals["volume_ratio"] > self.beyond - 0.001]
        if rows.empty:
            raise NotMeasured(f"crystals of {self.potential} at {100 * self.beyond:g} % or more")
        return rows


class Amorphises(_Framework):
    """Crystals amorphise from a volume on, and not below."""

    rule: Literal["amorphises"]

    def judge(self, evidence: Evidence, subjects: Subjects) -> Finding:
        """Return the verdict."""
        crystals = self._crystals(evidence)
        expanded = self._beyond(crystals)
        below = crystals[crystals["volume_ratio"] <= self.beyond - 0.001]
        standing = expanded[~expanded["broken"]]
        numbers = _frameworks(pd.concat([below[below["broken"]], expanded]))
        if len(expanded) > len(standing):
            whole = standing.empty and not below["broken"].any()
            return Finding(AGREES if whole else PARTLY, numbers)
        # a crystal that survives a shorter run than the paper's says nothing
        long = standing["ps"].min() >= PAPER_RUN_PS
        return Finding(DISAGREES if long or below["broken"].any() else UNDECIDED, numbers)


class Stays(_Framework):
    """Crystals beyond a volume stay crystals."""

    rule: Literal["stays"]

    def judge(self, evidence: Evidence, subjects: Subjects) -> Finding:
        """Return the verdict."""
        expanded = self._beyond(self._crystals(evidence))
        numbers = _frameworks(expanded)
        if expanded["broken"].any():
            return Finding(DISAGREES, numbers)
        # for a shorter time than the paper's
        return Finding(AGREES if expanded["ps"].min() >= PAPER_RUN_PS else PARTLY, numbers)


class Lithium(Model):
    """In glasses of one potential and volume, D does not depend on the lithium content."""

    rule: Literal["lithium"]
    potential: str
    within: float
    unlike: float

    def judge(self, evidence: Evidence, subjects: Subjects) -> Finding:
        """Return the verdict; of several volumes, that nearest to 112 % counts."""
        table = evidence.table("diffusion")
        glasses = table[(table["phase"] == "amorphous") & (table["temperature_K"] == 1100)]
        columns = ["volume_ratio", "melt_quench", "supercell"]
        several = [
            group
            for _, group in _of(glasses, self.potential).groupby(columns)
            if group["li_per_formula"].nunique() > 1
        ]
        if not several:
            raise NotMeasured(f"D of {self.potential} glasses of two lithium contents at 1100 K")
        rows = min(several, key=lambda group: abs(group["volume_ratio"].iloc[0] - 1.12))
        quantity, contents = QUANTITIES["D"], rows["li_per_formula"]
        found = {
            f"Li{content:g}": combined(rows[contents == content], quantity)
            for content in (contents.max(), contents.min())
        }
        change = contrast(quantity, *([side] for side in found.values()))
        verdict = judge_likeness(change, float(np.log(self.within)), float(np.log(self.unlike)))
        at = f" at {100 * rows['volume_ratio'].iloc[0]:g} %"
        return Finding(verdict, f"{_values('D', found)}{at}; {change.text(quantity)}")


class Effects(Model):
    """The potential changes D more than the structure does, and both do."""

    rule: Literal["effects"]

    def judge(self, evidence: Evidence, subjects: Subjects) -> Finding:
        """Return the verdict, at the lowest temperature that there is."""
        table = evidence.tables.get("effects", pd.DataFrame())
        if table.empty:
            raise NotMeasured("both glasses run with both potentials, each with D and not a bound")
        paper = [
            {paper_label(row["from"]), paper_label(row["to"])} == set(PAPER_LITHIUM)
            for row in table.to_dict("records")
        ]
        rows = table[paper]
        if rows.empty:
            raise NotMeasured("effects of the paper's two potentials")
        rows = rows[rows["temperature_K"] == rows["temperature_K"].min()]
        first = rows.drop_duplicates("effect").set_index("effect")
        potential, structure = (
            (abs(first.loc[name, "ln_D"]), first.loc[name, "ln_D_std"])
            for name in ("potential", "structure")
        )
        half = STANDARD_ERRORS * float(np.hypot(potential[1], structure[1]))
        difference = potential[0] - structure[0]
        numbers = (
            f"potential {np.exp(potential[0]):.2g}, structure {np.exp(structure[0]):.2g} at "
            f"{rows['temperature_K'].min():g} K: potential over structure "
            f"{np.exp(difference):.2g} ({np.exp(difference - half):.2g} to "
            f"{np.exp(difference + half):.2g})"
        )
        return Finding(judge_size(Contrast(difference, difference - half, difference + half), None),
                       numbers)  # fmt: skip


class Correlation(Model):
    """In glasses, a lower order parameter goes with a larger D."""

    rule: Literal["correlation"]
    measure: str

    def judge(self, evidence: Evidence, subjects: Subjects) -> Finding:
        """Return the verdict, by the 95 % interval of the rank correlation."""
        table = evidence.table("predictors")
        rows = table[(table["measure"] == self.measure) & (table["over"] == "glasses")]
        if rows.empty:
            raise NotMeasured(f"{self.measure} of five glasses in predictors.csv")
        row = rows.iloc[0]
        found = Contrast(-row["rank_correlation"], -row["interval_high"], -row["interval_low"])
        numbers = (
            f"rank correlation of it with D {row['rank_correlation']:.2f} "
            f"({row['interval_low']:.2f} to {row['interval_high']:.2f}; the paper's is negative), "
            f"{row['systems']:.0f} glasses"
        )
        return Finding(judge_size(found, None), numbers)


class Definitions(Model):
    """A statement about sites, by the campaign's clustering and by Markov clustering."""

    rule: Literal["definitions"]
    system: str
    measure: str
    sign: Literal[-1, 0, 1]
    """Of the value; with 0, the statement is judged where it is made, without an error."""

    def judge(self, evidence: Evidence, subjects: Subjects) -> Finding:
        """Return the verdict: that of both clusterings, or "partly agrees" if of one only."""
        table, sites = evidence.table("site_definitions"), evidence.table("sites")
        runs = corresponding(sites, subjects[self.system])["run"]
        rows = table[table["run"].isin(runs) & (table["measure"] == self.measure)]
        if rows.empty:
            raise NotMeasured(f"accessible volumes of {self.system}")
        verdicts, told = set(), []
        for clustering, group in rows.groupby("clustering", sort=False):
            row = group.iloc[0]
            told.append(f"{row['this work']} ({clustering})")
            verdicts.add(self._one(row))
        verdict = verdicts.pop() if len(verdicts) == 1 else UNDECIDED
        if AGREES in verdicts:
            verdict = PARTLY
        return Finding(verdict, f"{self.system}: {'; '.join(told)}")

    def _one(self, row: "pd.Series[Any]") -> str:
        if self.sign == 0:
            return AGREES if row["agrees"] == "yes" else DISAGREES
        value, half = self.sign * row["value"], STANDARD_ERRORS * row["value_std"]
        return judge_size(Contrast(value, value - half, value + half), None)


Rule = Annotated[
    More | Similar | Number | Maximum | Amorphises | Stays | Lithium | Effects | Correlation
    | Definitions,
    Field(discriminator="rule"),
]  # fmt: skip


def _of(rows: pd.DataFrame, potential: str) -> pd.DataFrame:
    """Return the glasses that a potential, by the paper's name, made and ran."""
    made = rows["structure_potential"].map(paper_label) == potential
    return rows[made & (rows["md_potential"].map(paper_label) == potential)]


def _values(quantity: str, found: dict[str, Measured]) -> str:
    """Put values of a quantity into words."""
    spec = QUANTITIES[quantity]
    told = ", ".join(f"{name}: {value.text(spec.factor)}" for name, value in found.items())
    return f"{told} {spec.unit}".rstrip()


def _frameworks(table: pd.DataFrame) -> str:
    """Put the states of frameworks into words."""
    told = []
    for volume in sorted(set(table["volume_ratio"])):
        words = [
            row["framework"] if row["broken"] else f"crystalline for {row['ps']:g} ps"
            for row in table[table["volume_ratio"] == volume].to_dict("records")
        ]
        told.append(f"{100 * volume:g} %: {', '.join(dict.fromkeys(words))}")
    return "; ".join(told)
