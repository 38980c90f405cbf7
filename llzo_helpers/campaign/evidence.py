"""What the tables of a campaign say of the systems that the paper's claims are about."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd

from llzo_helpers.analysis.diffusion import combine_replicas
from llzo_helpers.analysis.student import interval_width
from llzo_helpers.campaign.framework import departures
from llzo_helpers.campaign.glass_spread import with_glass_spread
from llzo_helpers.campaign.labels import size_label
from llzo_helpers.campaign.model import Campaign
from llzo_helpers.campaign.paper import STANDARD_ERRORS, accessible_over_static, paper_label
from llzo_helpers.campaign.tables import (
    SYSTEM_COLUMNS,
    combined_D,
    read_table,
    table_path,
    with_error,
)
from llzo_helpers.errors import InputError
from llzo_helpers.schema import Model

VOLUME_TOLERANCE = 0.0101
"""In V/V_exp: 85 % is the paper's 86 %, 100 % its 101 %."""
PAPER_LITHIUM = {"CIP": 6.25, "ML": 7.0}
"""Per formula unit, of the paper's systems of each potential."""
_RUN_COLUMNS = ("run", *SYSTEM_COLUMNS, "temperature_K", "replica")
TABLES = {
    "diffusion": (
        *_RUN_COLUMNS[:-1],
        *("tracer_D_cm2_s", "tracer_D_std_cm2_s", "upper_bound"),
    ),
    "arrhenius": SYSTEM_COLUMNS,
    "framework": ("run", *SYSTEM_COLUMNS, "framework", "unexpected"),
    "sites": _RUN_COLUMNS,
    "site_kinds": (
        *(*_RUN_COLUMNS, "kind", "n_sites", "static_volume_A3", "static_volume_spread_A3"),
        *("residence_time_ps", "residence_time_std_ps"),
        *("residence_time_lowest_ps", "residence_time_highest_ps"),
    ),
    "site_definitions": ("run", "measure", "value", "value_std", "clustering", "agrees"),
    "gop": _RUN_COLUMNS,
    "predictors": (
        *("measure", "over", "rank_correlation", "interval_low", "interval_high", "systems"),
    ),
    "vibration": _RUN_COLUMNS,
    "coordination": _RUN_COLUMNS,
    "effects": ("from", "to", "temperature_K", "effect", "ln_D", "ln_D_std"),
}
"""The tables that claims are tested on, and the columns that each must have."""


class NotMeasured(Exception):  # noqa: N818
    """What a claim needs and the campaign does not have."""

    def __init__(self, what: str) -> None:
        super().__init__(what)


class Subject(Model):
    """The runs that a system of the paper corresponds to."""

    phase: Literal["crystal", "amorphous"]
    run_with: str
    made_by: str | None = None
    """Of a glass; both by the paper's names of potentials."""
    volume_ratio: float
    kind: str | None = None
    """Of sites."""
    run_with_both: bool = False
    """Whether only structures count that were run with another potential, too."""


@dataclass(frozen=True)
class Quantity:
    """Where a quantity is, and how it is compared.

    Attributes
    ----------
    table, value, std
        Its table, and its columns of values and standard errors; without errors of single runs,
        replicas give them.
    unit, factor
        For people, and the factor to it.
    ratio
        Whether two values are compared by their ratio, or else by their difference.
    extremes
        Columns of the lowest and highest value by other definitions.
    freedom
        Column of the degrees of freedom of the errors; None if these are exact.
    """

    table: str
    value: str
    std: str | None
    unit: str = ""
    factor: float = 1.0
    ratio: bool = False
    extremes: tuple[str, str] | None = None
    freedom: str | None = None

    @property
    def logarithmic(self) -> bool:
        """Whether replicas are combined by their logarithms; D of one may be zero, or below."""
        return self.ratio and self.table != "diffusion"


QUANTITIES = {
    "D": Quantity(
        *("diffusion", "tracer_D_cm2_s", "tracer_D_std_cm2_s", "in 10⁻⁵ cm²/s", 1e5),
        ratio=True,
        freedom="tracer_D_freedom",
    ),
    "E_a": Quantity("arrhenius", "E_a_eV", "E_a_std_eV", "eV", freedom="E_a_freedom"),
    "order parameter": Quantity("gop", "gop_k3", "gop_k3_std"),
    "critical rate": Quantity("gop", "critical_rate_per_ps", None, "ps⁻¹"),
    "largest superbasin": Quantity("sites", "largest_superbasin_fraction", None, "%", 100.0),
    "back-jumps": Quantity(
        *("sites", "back_jump_fraction", "back_jump_fraction_std", "%", 100.0),
        extremes=("back_jump_lowest", "back_jump_highest"),
    ),
    "residence time": Quantity(
        *("site_kinds", "residence_time_ps", "residence_time_std_ps", "ps"),
        ratio=True,
        extremes=("residence_time_lowest_ps", "residence_time_highest_ps"),
    ),
    "residence time of all": Quantity(
        *("all_sites", "residence_time_ps", "residence_time_std_ps", "ps"),
        ratio=True,
        extremes=("residence_time_lowest_ps", "residence_time_highest_ps"),
    ),
    "static volume": Quantity("site_kinds", "static_volume_A3", "static_volume_std_A3", "Å³"),
    "spread of static volumes": Quantity(
        "site_kinds", "static_volume_spread_A3", "static_volume_spread_std_A3", "Å³"
    ),
    "spread of all static volumes": Quantity(
        "all_sites", "static_volume_spread_A3", "static_volume_spread_std_A3", "Å³"
    ),
    "accessible volume": Quantity(
        "site_kinds", "accessible_volume_A3", "accessible_volume_std_A3", "Å³"
    ),
    "accessible over static": Quantity(
        "site_ratios", "value", "value_std", "%", 100.0, extremes=("lowest", "highest")
    ),
    "mean O frequency": Quantity(
        "vibration", "mean_frequency_THz", "mean_frequency_std_THz", "THz"
    ),
    "O-O peak near 4 Å": Quantity("coordination", "O_O_peak", "O_O_peak_std"),
}
"""By the names that `data/paper_claims.yaml` calls them."""


@dataclass(frozen=True)
class Measured:
    """A value with its standard error, or an upper bound.

    Attributes
    ----------
    value, std
        Mean of the replicas, and its standard error.
    limit
        The upper bound, at 95 %; None for a value.
    by_definition
        The values by all definitions, the usual one first.
    note
        What of the system is not as its name says.
    freedom
        Degrees of freedom of the standard error.
    """

    value: float
    std: float
    limit: float | None = None
    by_definition: tuple[float, ...] = ()
    note: str = ""
    freedom: float = np.inf

    def text(self, factor: float) -> str:
        """Return it as people read it."""
        if self.limit is not None:
            return f"< {factor * self.limit:.2g}{self.note}"
        values = self.by_definition[1:]
        spread = f" ({factor * min(values):.3g} to {factor * max(values):.3g})" if values else ""
        return with_error(factor * self.value, factor * self.std) + spread + self.note


@dataclass(frozen=True)
class Evidence:
    """The tables of a campaign, by name, and why others are not there.

    Attributes
    ----------
    tables
        Those of `TABLES`, as far as there are any.
    faults
        Why a table cannot be read.
    run_ps
        How long each finished run was, equilibration included, by its name.
    """

    tables: Mapping[str, pd.DataFrame]
    faults: Mapping[str, str] = field(default_factory=dict)
    run_ps: Mapping[str, float] = field(default_factory=dict)

    def table(self, name: str) -> pd.DataFrame:
        """Return a table.

        Raises
        ------
        NotMeasured
            If it is not there, or empty.
        """
        if name in self.tables:
            if self.tables[name].empty:
                raise NotMeasured(f"rows of {name}.csv")
            return self.tables[name]
        name = {"all_sites": "site_kinds", "site_ratios": "site_definitions"}.get(name, name)
        raise NotMeasured(self.faults.get(name, f"{name}.csv"))

    def measured(
        self, quantity: str, name: str, subject: Subject, temperature_K: float
    ) -> Measured:
        """Return a quantity of a system.

        Of several systems that correspond, those count whose lithium content is nearest to the
        paper's, and of these the supercell and protocol with most replicas.

        Raises
        ------
        NotMeasured
            If there is no such run, or no error.
        """
        spec = QUANTITIES[quantity]
        table = self.table(spec.table)
        columns = [spec.value, *([spec.std] if spec.std else []), *(spec.extremes or ())]
        if lacking := [column for column in columns if column not in table]:
            raise NotMeasured(f"column {lacking[0]} of {spec.table}.csv")
        if "temperature_K" in table:
            table = table[table["temperature_K"] == temperature_K]
        rows = corresponding(table, subject)
        rows = rows[rows[spec.value].notna()]
        if spec.std:
            rows = rows[rows[spec.std].notna()]
        at = "" if quantity == "E_a" else f" at {temperature_K:g} K"
        if rows.empty:
            raise NotMeasured(f"{quantity} of {name}{at}")
        expected = PAPER_LITHIUM.get(subject.made_by or subject.run_with)
        rows, note = _nearest_lithium(rows, expected)
        rows, other = _most_replicas(rows)
        told = departures(self.tables.get("framework"), rows)
        note += other + (f" ({told})" if told else "")
        if spec.std is None and len(rows) < 2:
            raise NotMeasured(f"an error of the {quantity} of {name}: replicas")
        # one row may hold several temperatures
        one_glass = subject.phase == "amorphous" and len(rows) == 1 and "run" in rows
        return combined(rows, spec, note + (" (one glass)" if one_glass else ""))


def combined(rows: pd.DataFrame, spec: Quantity, note: str = "") -> Measured:
    """Return the mean of a quantity over rows, as of replicas; of residence times that of logs."""
    values = rows[spec.value].to_numpy(float)
    stds = rows[spec.std].to_numpy(float) if spec.std else np.zeros(len(values))
    if spec is QUANTITIES["D"]:
        mean = combined_D(rows)
        # a D that is not clearly above zero is known from above only
        width = interval_width(STANDARD_ERRORS, mean.degrees_of_freedom)
        bounded = mean.upper_bound or mean.value < width * mean.std
        limit = mean.limit if bounded else None
        return Measured(mean.value, mean.std, limit, (), note, mean.degrees_of_freedom)
    freedom = rows[spec.freedom].to_list() if spec.freedom in rows else None
    of, back = (np.log, np.exp) if spec.logarithmic else (np.asarray, np.asarray)
    mean = combine_replicas(of(values), stds / values if spec.logarithmic else stds, None, freedom)
    value = float(back(mean.value))
    ends = [float(back(of(rows[end].to_numpy(float)).mean())) for end in spec.extremes or ()]
    return Measured(
        value,
        value * mean.std if spec.logarithmic else mean.std,
        None,
        (value, *ends) if ends else (),
        note,
        mean.degrees_of_freedom,
    )


def corresponding(table: pd.DataFrame, subject: Subject) -> pd.DataFrame:
    """Return the rows of a table that are about a system of the paper."""
    labels = {name: paper_label(name) for name in _potentials(table)}
    rows = table[table["phase"] == subject.phase]
    rows = rows[rows["md_potential"].map(labels) == subject.run_with]
    if subject.made_by is not None:
        rows = rows[rows["structure_potential"].map(labels) == subject.made_by]
    rows = rows[(rows["volume_ratio"] - subject.volume_ratio).abs() < VOLUME_TOLERANCE]
    if subject.run_with_both:
        structure = [column for column in SYSTEM_COLUMNS if column != "md_potential"]
        potentials = table.groupby(structure, dropna=False)["md_potential"].transform("nunique")
        rows = rows[potentials[rows.index] > 1]
    return rows[rows["kind"] == subject.kind] if subject.kind else rows


def _potentials(table: pd.DataFrame) -> set[str]:
    columns = {"md_potential", "structure_potential"} & set(table)
    return {name for column in columns for name in table[column].dropna().unique()}


def _nearest_lithium(rows: pd.DataFrame, expected: float | None) -> tuple[pd.DataFrame, str]:
    """Keep the rows nearest to the paper's lithium content, and say if it is another."""
    if expected is None:
        return rows, ""
    distance = (rows["li_per_formula"] - expected).abs()
    rows = rows[distance == distance.min()]
    lithium = rows["li_per_formula"].iloc[0]
    return rows, "" if lithium == expected else f" (Li{lithium:g})"


def _most_replicas(rows: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Keep the supercell and protocol with most replicas, and say which, if there are several."""
    columns = ["supercell", "melt_quench"]
    systems = [group for _, group in rows.groupby(columns, dropna=False, sort=False)]
    if len(systems) == 1:
        return rows, ""
    kept = max(systems, key=len)
    told = []
    if rows["supercell"].nunique() > 1:
        told.append(size_label(kept["supercell"].iloc[0]).strip() or "one cell")
    if rows["melt_quench"].nunique() > 1:
        told.append(kept["melt_quench"].iloc[0])
    return kept, f" ({', '.join(told)})"


def read_evidence(campaign: Campaign) -> Evidence:
    """Read the tables of a campaign, as far as there are any, and derive further ones."""
    tables, faults = {}, {}
    for name, columns in TABLES.items():
        try:
            if table_path(campaign, name).is_file():
                tables[name] = read_table(campaign, name, columns)
        except InputError as error:
            faults[name] = str(error)
    run_ps = {}
    for run in campaign.finished_runs:
        settings = campaign.md_settings(run)
        run_ps[run.name] = settings.equilibration_ps + settings.production_ps
    return Evidence(with_derived(tables), faults, run_ps)


def with_derived(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Add what follows from tables: errors of systems, all sites of a run, ratios of volumes."""
    result = dict(tables)
    if len(result.get("diffusion", [])):
        result["diffusion"] = with_glass_spread(result["diffusion"])
    kinds = result.get("site_kinds", pd.DataFrame())
    if len(kinds):
        n, spread = kinds["n_sites"], kinds["static_volume_spread_A3"]
        # of a mean and of a standard deviation; of one site there is none
        freedom = (n - 1).where(n > 1)
        result["site_kinds"] = kinds.assign(
            static_volume_std_A3=spread / np.sqrt(freedom),
            static_volume_spread_std_A3=spread / np.sqrt(2 * freedom),
        )
        result["all_sites"] = _all_sites(kinds)
    if "sites" in result and "site_definitions" in result:
        result["site_ratios"] = accessible_over_static(result["site_definitions"], result["sites"])
    return result


def _all_sites(kinds: pd.DataFrame) -> pd.DataFrame:
    """Return a row per run: residence time and spread of static volumes of all of its sites."""
    rows = []
    for _, group in kinds.groupby("run", sort=False):
        n, volume = group["n_sites"], group["static_volume_A3"]
        mean = np.average(volume, weights=n)
        square = np.average(group["static_volume_spread_A3"] ** 2 + volume**2, weights=n)
        spread = np.sqrt(max(square - mean**2, 0.0))
        left = group[group["residence_time_std_ps"] > 0]
        departures = (left["residence_time_ps"] / left["residence_time_std_ps"]) ** 2
        number = departures.sum() if len(left) else np.nan
        residence, lowest, highest = (
            (left[f"residence_time_{name}ps"] * departures).sum() / number
            for name in ("", "lowest_", "highest_")
        )
        rows.append(
            {
                **{key: group[key].iloc[0] for key in _RUN_COLUMNS if key in group},
                "residence_time_ps": residence,
                "residence_time_std_ps": residence / np.sqrt(number),
                "residence_time_lowest_ps": lowest,
                "residence_time_highest_ps": highest,
                "static_volume_spread_A3": spread,
                "static_volume_spread_std_A3": spread / np.sqrt(2 * max(n.sum() - 1, 1)),
            }
        )
    return pd.DataFrame(rows)
