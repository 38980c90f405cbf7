"""The paper's claims, tested on made tables for which the answer is known."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest

from llzo_helpers.campaign import model
from llzo_helpers.campaign.claim_rules import (
    Amorphises,
    Correlation,
    Definitions,
    Effects,
    Lithium,
    Maximum,
    More,
    Number,
    Similar,
    Stays,
)
from llzo_helpers.campaign.claims import (
    count_claims,
    judge_claims,
    paper_claims,
    update_claims,
)
from llzo_helpers.campaign.evidence import (
    QUANTITIES,
    Evidence,
    Measured,
    NotMeasured,
    combined,
    with_derived,
)
from llzo_helpers.campaign.model import load_campaign
from llzo_helpers.campaign.paper import paper_reason, paper_values
from llzo_helpers.campaign.tables import read_table, save_table
from llzo_helpers.campaign.verdicts import (
    AGREES,
    DISAGREES,
    PARTLY,
    UNDECIDED,
    Contrast,
    Finding,
    all_of,
    contrast,
    judge_likeness,
    judge_size,
)
from llzo_helpers.paths import DATA
from llzo_helpers.schema import load_yaml

NAMES = {"CIP": "bush1994_woodley1999", "ML": "hdnnp_sevennet0"}
SYSTEMS = paper_claims().systems


def system(name: str, li: float | None = None, replica: int = 1, **others: Any) -> dict[str, Any]:
    """Return the columns of a run that a system of the claims stands for."""
    subject = SYSTEMS[name]
    lithium = {"CIP": 6.25, "ML": 7.0}[subject.made_by or subject.run_with]
    return {
        "run": f"{name} {li} {replica}",
        "phase": subject.phase,
        "structure_potential": NAMES.get(subject.made_by or ""),
        "melt_quench": "cip" if subject.made_by else None,
        "md_potential": NAMES[subject.run_with],
        "li_per_formula": li or lithium,
        "volume_ratio": subject.volume_ratio,
        "supercell": 1,
        "group": None,
        "temperature_K": 1100.0,
        "replica": replica,
        **others,
    }


def D(value: float, std: float, bound: bool = False) -> dict[str, Any]:
    limit = value + 1.645 * std
    return {
        "tracer_D_cm2_s": value,
        "tracer_D_std_cm2_s": std,
        "upper_bound": bound,
        "tracer_D_limit_cm2_s": limit,
    }


def diffusion(**values: Mapping[str, Any]) -> Evidence:
    rows = [system(name) | dict(value) for name, value in values.items()]
    return Evidence({"diffusion": pd.DataFrame(rows)})


def verdict(rule: Any, evidence: Evidence) -> str:
    return str(rule.judge(evidence, SYSTEMS).verdict)


# --------------------------------------------------------------------------- intervals to verdicts


@pytest.mark.parametrize(
    ("interval", "paper", "expected"),
    [
        ((1.5, 1.0, 2.0), None, AGREES),
        ((-1.5, -2.0, -1.0), None, DISAGREES),
        ((0.1, -0.4, 0.6), None, UNDECIDED),
        ((1.5, 1.0, 2.0), 1.9, AGREES),
        ((1.5, 1.0, 2.0), 2.5, PARTLY),
        ((1.5, 1.0, 2.0), 0.5, PARTLY),
        ((-1.5, -2.0, -1.0), 1.9, DISAGREES),
        ((0.1, -0.4, 0.6), 0.5, UNDECIDED),
        # no direction, but the paper's size is excluded
        ((0.1, -0.4, 0.6), 0.7, DISAGREES),
        # bounds
        ((np.nan, 1.0, np.inf), None, AGREES),
        ((np.nan, 1.0, np.inf), 2.0, PARTLY),
        ((np.nan, -1.0, np.inf), 2.0, UNDECIDED),
        ((np.nan, -np.inf, -0.1), 2.0, DISAGREES),
        ((np.nan, -np.inf, 1.0), 2.0, DISAGREES),
        ((np.nan, -np.inf, 3.0), 2.0, UNDECIDED),
        ((np.nan, -np.inf, np.inf), None, UNDECIDED),
    ],
)
def test_size_and_direction(interval, paper, expected):
    assert judge_size(Contrast(*interval), paper) == expected


@pytest.mark.parametrize(
    ("estimate", "low", "high", "expected"),
    [
        (0.0, -0.5, 0.5, AGREES),
        (1.2, -0.1, 1.9, PARTLY),  # perhaps no difference
        (0.7, 0.1, 1.3, AGREES),  # as small a difference as the paper's
        (1.2, 0.5, 1.9, PARTLY),  # a larger one, but not what it calls different
        (-1.2, -1.9, -0.5, PARTLY),
        (1.0, -0.5, 2.5, UNDECIDED),  # may be either
        (1.5, 1.1, 1.9, DISAGREES),
        (-2.0, -3.0, -1.1, DISAGREES),
        (np.nan, -np.inf, 0.5, UNDECIDED),
        (np.nan, -np.inf, -1.1, DISAGREES),
    ],
)
def test_likeness(estimate, low, high, expected):
    assert judge_likeness(Contrast(estimate, low, high), within=1.0, unlike=2.0) == expected


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ((AGREES, AGREES), AGREES),
        ((AGREES, PARTLY), PARTLY),
        ((AGREES, DISAGREES), PARTLY),
        ((DISAGREES, DISAGREES), DISAGREES),
        ((AGREES, UNDECIDED), UNDECIDED),
        ((DISAGREES, UNDECIDED), DISAGREES),
    ],
)
def test_a_claim_of_several_statements(verdicts, expected):
    assert all_of([Finding(one, "") for one in verdicts]).verdict == expected


# --------------------------------------------------------------------------- rules

FASTER = More(rule="more", of="D", more=["C-CIP 107 %"], less=["A-CIP 112 %"], paper=50.0)


@pytest.mark.parametrize(
    ("crystal", "glass", "expected"),
    [
        (D(3e-5, 1e-6), D(6e-7, 6e-8), AGREES),
        (D(3e-5, 1e-6), D(3e-6, 3e-7), PARTLY),
        (D(3e-5, 1e-6), D(6e-5, 1e-6), DISAGREES),
        (D(3e-5, 1e-6), D(3e-5, 1e-6), DISAGREES),
        (D(3e-5, 1e-6), D(1e-6, 1e-7, True), PARTLY),
        (D(3e-5, 1e-6), D(6e-5, 1e-7, True), UNDECIDED),
        # a value that is not two errors above zero is a bound
        (D(3e-5, 1e-6), D(6e-7, 5e-7), PARTLY),
        (D(3e-5, 1e-6, True), D(6e-7, 6e-8, True), UNDECIDED),
        # the crystal's bound excludes a factor of 50
        (D(3e-6, 1e-7, True), D(6e-7, 6e-8), DISAGREES),
    ],
)
def test_a_factor(crystal, glass, expected):
    evidence = diffusion(**{"C-CIP 107 %": crystal, "A-CIP 112 %": glass})
    assert verdict(FASTER, evidence) == expected


def test_the_numbers_are_told_with_their_intervals():
    evidence = diffusion(**{"C-CIP 107 %": D(3e-5, 1e-6), "A-CIP 112 %": D(6e-7, 6e-8)})
    assert FASTER.judge(evidence, SYSTEMS).numbers == (
        "C-CIP 107 %: 3.00 ± 0.10, A-CIP 112 %: 0.060 ± 0.006 (one glass) in 10⁻⁵ cm²/s; "
        "factor 50 (40 to 63); paper: 50"
    )
    bound = diffusion(**{"C-CIP 107 %": D(3e-5, 1e-6), "A-CIP 112 %": D(6e-7, 6e-8, True)})
    assert (
        "A-CIP 112 %: < 0.07 (one glass) in 10⁻⁵ cm²/s; factor > 40;"
        in FASTER.judge(bound, SYSTEMS).numbers
    )


@pytest.mark.parametrize(
    ("error", "told"),
    [
        # 2 standard errors of D itself: 6e-7 (1 - 0.4) at the least
        (1.2e-7, "factor 5 (3.4 to 8.3);"),
        (2.7e-7, "factor 5 (2 to 50);"),
        (3.1e-7, "factor > 2.7;"),
    ],
)
def test_a_D_that_may_be_next_to_zero_leaves_its_ratios_open(error, told):
    evidence = diffusion(**{"C-CIP 107 %": D(3e-6, 1e-9), "A-CIP 112 %": D(6e-7, error)})
    assert told in FASTER.judge(evidence, SYSTEMS).numbers


def test_what_is_missing_is_named():
    with pytest.raises(NotMeasured, match="D of A-CIP 112 % at 1100 K"):
        FASTER.judge(diffusion(**{"C-CIP 107 %": D(3e-5, 1e-6)}), SYSTEMS)
    with pytest.raises(NotMeasured, match=r"^diffusion\.csv$"):
        FASTER.judge(Evidence({}), SYSTEMS)
    with pytest.raises(NotMeasured, match="changed since"):
        FASTER.judge(Evidence({}, {"diffusion": "changed since it was written"}), SYSTEMS)
    old = pd.DataFrame([system("C-CIP 112 %", back_jump_fraction=0.7, back_jump_fraction_std=0.01)])
    rule = More(rule="more", of="back-jumps", more=["C-CIP 112 %"], less=["C-CIP 101 %"])
    with pytest.raises(NotMeasured, match=r"column back_jump_lowest of sites\.csv"):
        rule.judge(Evidence({"sites": old}), SYSTEMS)


def test_at_another_temperature_only_the_direction_is_tested():
    names = ("A-ML 112 %", "A-CIP 112 %")
    rule = More(
        rule="more", of="D", more=[names[0]], less=[names[1]], paper=17.6,
        temperatures_K=[700.0, 1100.0],
    )  # fmt: skip
    fast, slow = D(1e-5, 1e-6), D(1e-6, 1e-7)
    assert verdict(rule, diffusion(**dict(zip(names, (fast, slow), strict=True)))) == PARTLY
    assert verdict(rule, diffusion(**dict(zip(names, (slow, fast), strict=True)))) == DISAGREES
    # a factor of 1 excludes 17.6, but at the paper's temperature only
    assert verdict(rule, diffusion(**dict.fromkeys(names, fast))) == UNDECIDED
    cold = [system(name, temperature_K=700.0) | fast for name in names]
    assert verdict(rule, Evidence({"diffusion": pd.DataFrame(cold)})) == DISAGREES


def test_replicas_are_averaged_and_the_lithium_nearest_to_the_paper_s_counts():
    rows = [
        system("C-CIP 107 %", replica=1) | D(2e-5, 1e-8),
        system("C-CIP 107 %", replica=2) | D(4e-5, 1e-8),
        system("C-CIP 107 %", li=6.75) | D(9e-5, 1e-8),
        system("A-CIP 112 %", li=6.5) | D(1e-6, 1e-8),
    ]
    evidence = Evidence({"diffusion": pd.DataFrame(rows)})
    crystal = evidence.measured("D", "", SYSTEMS["C-CIP 107 %"], 1100.0)
    assert crystal.value == pytest.approx(3e-5)
    assert crystal.std == pytest.approx(1e-5)  # of the spread
    glass = evidence.measured("D", "", SYSTEMS["A-CIP 112 %"], 1100.0)
    assert glass.note == " (Li6.5) (one glass)"


def test_a_glass_without_replicas_is_marked():
    name = "A-CIP 112 %"
    alone = pd.DataFrame([system(name) | D(1e-6, 1e-7)])
    for table, marked in ((alone, True), (pd.concat([alone, alone.assign(replica=2)]), False)):
        found = Evidence({"diffusion": table}).measured("D", name, SYSTEMS[name], 1100.0)
        assert ("one glass" in found.note) == marked
    # and its error, from a campaign's tables, has the spread of others
    others = pd.DataFrame(
        [system("A-CIP 105 %") | D(value, 1e-8) | {"replica": n} for n, value in enumerate((1, 3))]
    )
    tables = with_derived({"diffusion": pd.concat([alone, others], ignore_index=True)})
    found = Evidence(tables).measured("D", name, SYSTEMS[name], 1100.0)
    assert found.std == pytest.approx(1e-6 * np.hypot(0.1, np.log(3) / np.sqrt(2)), rel=1e-4)


def test_a_framework_that_is_not_what_its_name_says_is_named():
    name = "A-ML 112 %"
    runs = pd.DataFrame(
        [system(name, replica=k) | {"run": f"r{k}"} | D(1e-6, 1e-7) for k in (1, 2, 3)]
    )
    frameworks = runs.assign(
        framework=["glass", "liquid", "glass"], unexpected=[False, True, False], La_msd_A2=4.0
    )
    evidence = Evidence({"diffusion": runs, "framework": frameworks})
    assert evidence.measured("D", name, SYSTEMS[name], 1100.0).note == " (1 of 3 liquid)"
    # of activation energies, at any temperature
    barriers = runs[:1].drop(columns=["run", "temperature_K", "replica"])
    barriers = barriers.assign(E_a_eV=0.4, E_a_std_eV=0.1, E_a_freedom=np.inf)
    evidence = Evidence({"arrhenius": barriers, "framework": frameworks})
    assert evidence.measured("E_a", name, SYSTEMS[name], 1100.0).note == " (1 of 3 liquid)"
    crossed = "ML in A-CIP 112 %"
    runs = pd.DataFrame([system(crossed) | {"run": "r"} | D(1e-6, 1e-7)] * 2)
    runs = runs.assign(md_potential=[NAMES["ML"], NAMES["CIP"]], run=["r", "other"])
    for msd, note in ((4.0, " (rearranged) (one glass)"), (1.0, " (one glass)")):
        frameworks = runs.assign(framework="glass", unexpected=False, La_msd_A2=msd, O_msd_A2=5.0)
        evidence = Evidence({"diffusion": runs, "framework": frameworks})
        assert evidence.measured("D", crossed, SYSTEMS[crossed], 1100.0).note == note


def test_table_1_is_of_structures_that_were_run_with_both_potentials():
    rows = [
        # the paper's lithium content, but run with one potential only
        *(system("A-ML 112 %", replica=n) | D(9e-6, 1e-8) for n in (1, 2, 3)),
        system("A-ML 112 %", li=6.25) | D(7e-6, 1e-7),
        system("A-ML 112 %", li=6.25, md_potential=NAMES["CIP"]) | D(1e-6, 1e-7),
    ]
    evidence = Evidence({"diffusion": pd.DataFrame(rows)})
    for name, value in (("ML in A-ML 112 %", 7e-6), ("CIP in A-ML 112 %", 1e-6)):
        found = evidence.measured("D", name, SYSTEMS[name], 1100.0)
        assert (found.value, found.note) == (value, " (Li6.25) (one glass)")
    assert evidence.measured("D", "", SYSTEMS["A-ML 112 %"], 1100.0).value == pytest.approx(9e-6)


def test_bounds_on_both_sides_give_way_to_another_temperature():
    sides = ["C-CIP 107 %", "C-CIP 117 %"]
    rule = More(rule="more", of="D", more=sides[:1], less=sides[1:], temperatures_K=[700, 1100])
    cold = [system(name, temperature_K=700.0) | D(1e-8, 1e-8, True) for name in sides]
    warm = [system(name) | D(D_hot, 1e-7) for name, D_hot in zip(sides, (3e-5, 3e-6), strict=True)]
    assert verdict(rule, Evidence({"diffusion": pd.DataFrame(cold)})) == UNDECIDED
    assert verdict(rule, Evidence({"diffusion": pd.DataFrame(cold + warm)})) == PARTLY


def test_residence_times_of_replicas_are_averaged_by_their_logarithms():
    """Of 2, 9 and 2 ps it is known that they are longer than 0.3, though the mean is 4 ± 2."""
    rows = [
        system("C-CIP 101 % 24d", replica=n) | {"kind": "24d", "residence_time_ps": value,
        "residence_time_std_ps": 0.01 * value, "residence_time_lowest_ps": value,
        "residence_time_highest_ps": value}
        for n, value in enumerate((2.0, 9.0, 2.0))
    ]  # fmt: skip
    spec = QUANTITIES["residence time"]
    found = combined(pd.DataFrame(rows), spec)
    assert found.limit is None
    assert found.value == pytest.approx(36 ** (1 / 3))
    change = contrast(spec, [found], [Measured(0.3, 0.001, by_definition=(0.3, 0.3, 0.3))])
    spread = np.log([2, 9, 2]).std(ddof=1) / np.sqrt(3)
    # Student's t with two degrees of freedom
    assert change.low == pytest.approx(np.log(36 ** (1 / 3) / 0.3) - 4.53 * spread, abs=0.01)


def test_few_replicas_need_more_standard_errors():
    rows = [system("C-CIP 107 %", replica=n) | D(value, 1e-9) for n, value in enumerate((3, 2))]
    table = pd.DataFrame([*rows, system("C-CIP 117 %") | D(1.0, 1e-9)])
    rule = More(rule="more", of="D", more=["C-CIP 107 %"], less=["C-CIP 117 %"])
    # 2.5 ± 0.5: a rise by 3 standard errors, of which two replicas tell little
    assert verdict(rule, Evidence({"diffusion": table})) == UNDECIDED
    table["tracer_D_std_cm2_s"] = [0.71, 0.71, 1e-9]
    assert verdict(rule, Evidence({"diffusion": table})) == AGREES


def test_of_several_supercells_and_protocols_that_with_most_replicas_counts():
    table = pd.DataFrame(
        [
            system("A-CIP 112 %", supercell=2) | D(4e-7, 1e-8),
            system("A-CIP 112 %") | D(1e-6, 1e-8),
            system("A-CIP 112 %", replica=2) | D(2e-6, 1e-8),
            system("A-CIP 112 %", melt_quench="quick") | D(5e-6, 1e-8),
        ]
    )
    glass = Evidence({"diffusion": table}).measured(
        "D", "A-CIP 112 %", SYSTEMS["A-CIP 112 %"], 1100.0
    )
    assert glass.value == pytest.approx(1.5e-6)
    assert glass.note == " (one cell, cip)"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((2, 3, 1), AGREES),
        ((3, 1, 1), DISAGREES),
        ((2, 3, 4), DISAGREES),
        ((3, 3, 3), UNDECIDED),
    ],
)
def test_a_maximum(values, expected):
    names = ["C-CIP 86 %", "C-CIP 107 %", "C-CIP 117 %"]
    rule = Maximum(rule="maximum", of="D", at=names[1], among=names)
    found = {name: D(value, 0.1) for name, value in zip(names, values, strict=True)}
    assert verdict(rule, diffusion(**found)) == expected


def test_a_maximum_elsewhere_partly_agrees_and_volumes_between_may_be_missing():
    names = ["C-CIP 86 %", "C-CIP 101 %", "C-CIP 107 %", "C-CIP 112 %", "C-CIP 117 %"]
    rule = Maximum(rule="maximum", of="D", at="C-CIP 107 %", among=names)
    found = {name: D(v, 0.1) for name, v in zip(names, (2, 4, 3, 2, 1), strict=True)}
    assert verdict(rule, diffusion(**found)) == PARTLY
    del found["C-CIP 112 %"], found["C-CIP 101 %"]
    assert verdict(rule, diffusion(**found)) == AGREES
    del found["C-CIP 117 %"]
    with pytest.raises(NotMeasured, match="C-CIP 117 %"):
        verdict(rule, diffusion(**found))


def test_likeness_of_D():
    names = ("C-CIP 101 %", "C-ML 100 %")
    rule = Similar(rule="similar", of="D", more=[names[0]], less=[names[1]], within=2.1, unlike=10)

    def found(first: float, second: float, std: float) -> str:
        return verdict(rule, diffusion(**{names[0]: D(first, std), names[1]: D(second, std)}))

    assert found(2.0, 1.0, 0.1) == AGREES
    assert found(1.0, 2.0, 0.1) == AGREES
    assert found(9.0, 1.0, 0.1) == DISAGREES
    assert found(1.0, 9.0, 0.1) == DISAGREES
    assert found(2.0, 0.5, 0.24) == UNDECIDED


def test_a_number():
    rule = Number(
        rule="number", of="E_a", system="C-CIP 101 %", number=0.35, within=0.1, unlike=0.21
    )

    def found(value: float, std: float) -> str:
        row = system("C-CIP 101 %", E_a_eV=value, E_a_std_eV=std)
        del row["temperature_K"]
        return verdict(rule, Evidence({"arrhenius": pd.DataFrame([row])}))

    assert found(0.30, 0.02) == AGREES
    assert found(0.50, 0.02) == DISAGREES
    assert found(0.10, 0.02) == DISAGREES
    assert found(0.30, 0.20) == UNDECIDED


def frameworks(verdicts: Mapping[str, str], ps: float) -> Evidence:
    rows = [system(name, framework=words) for name, words in verdicts.items()]
    return Evidence({"framework": pd.DataFrame(rows)}, {}, {row["run"]: ps for row in rows})


def test_amorphisation():
    rule = Amorphises(rule="amorphises", potential="ML", beyond=1.2)
    both = {"C-ML 120 %": "amorphised at 9 ps", "C-ML 130 %": "amorphised before production"}
    assert verdict(rule, frameworks({"C-ML 115 %": "crystal", **both}, 100)) == AGREES
    assert verdict(rule, frameworks({"C-ML 115 %": "amorphised at 9 ps", **both}, 100)) == PARTLY
    one = {"C-ML 120 %": "crystal with defects", "C-ML 130 %": "amorphised at 30 ps"}
    assert verdict(rule, frameworks(one, 100)) == PARTLY
    assert rule.judge(frameworks(one, 100), SYSTEMS).numbers == (
        "120 %: crystalline for 100 ps; 130 %: amorphised at 30 ps"
    )
    none = dict.fromkeys(both, "crystal")
    assert verdict(rule, frameworks(none, 100)) == UNDECIDED
    assert verdict(rule, frameworks(none, 6000)) == DISAGREES
    with pytest.raises(NotMeasured, match="ML at 120 % or more"):
        verdict(rule, frameworks({"C-ML 115 %": "crystal", "C-CIP 117 %": "crystal"}, 100))


def test_crystals_that_stay():
    rule = Stays(rule="stays", potential="CIP", beyond=1.1)
    standing = {"C-CIP 107 %": "amorphised at 1 ps", "C-CIP 117 %": "crystal with defects"}
    assert verdict(rule, frameworks(standing, 6000)) == AGREES
    assert verdict(rule, frameworks(standing, 100)) == PARTLY
    broken = {"C-CIP 112 %": "crystal", "C-CIP 117 %": "amorphised at 1 ps"}
    assert verdict(rule, frameworks(broken, 6000)) == DISAGREES


def test_lithium_contents_of_glasses():
    rule = Lithium(rule="lithium", potential="CIP", within=1.67, unlike=8.14)

    def found(first: float, second: float, std: float, protocol: str = "cip") -> str:
        rows = [
            system("A-CIP 112 %", li=6.25) | D(first, std),
            system("A-CIP 112 %", li=6.75) | D(second, std) | {"melt_quench": protocol},
            # another potential's structure
            system("A-ML 112 %", li=6.5) | D(99.0, std),
        ]
        return verdict(rule, Evidence({"diffusion": pd.DataFrame(rows)}))

    assert found(1.0, 1.5, 0.1) == AGREES
    assert found(1.0, 9.0, 0.1) == DISAGREES
    assert found(1.0, 3.0, 0.49) == UNDECIDED
    with pytest.raises(NotMeasured, match="two lithium contents"):
        found(1.0, 1.5, 0.1, protocol="another")


@pytest.mark.parametrize(
    ("potential", "structure", "std", "expected"),
    [(2.3, 0.6, 0.1, AGREES), (0.6, -2.3, 0.1, DISAGREES), (2.3, 2.2, 0.1, UNDECIDED)],
)
def test_potential_against_structure(potential, structure, std, expected):
    row = {"from": NAMES["CIP"], "to": NAMES["ML"], "temperature_K": 700.0, "ln_D_std": std}
    values = {"structure": structure, "potential": potential, "interaction": 9.0}
    table = pd.DataFrame([row | {"effect": name, "ln_D": value} for name, value in values.items()])
    hotter = table.assign(temperature_K=1100.0, ln_D=-table["ln_D"])
    evidence = Evidence({"effects": pd.concat([hotter, table])})
    assert verdict(Effects(rule="effects"), evidence) == expected
    with pytest.raises(NotMeasured, match="not a bound"):
        verdict(Effects(rule="effects"), Evidence({"effects": pd.DataFrame()}))


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(-0.9, -0.1, AGREES), (0.1, 0.9, DISAGREES), (-0.9, 0.1, UNDECIDED)],
)
def test_a_lower_order_parameter_with_a_larger_D(low, high, expected):
    rule = Correlation(rule="correlation", measure="order parameter, k = 3")
    row = {"measure": rule.measure, "rank_correlation": (low + high) / 2, "systems": 9}
    row |= {"interval_low": low, "interval_high": high, "over": "glasses"}
    assert verdict(rule, Evidence({"predictors": pd.DataFrame([row])})) == expected


@pytest.mark.parametrize(
    ("known", "markov", "expected"),
    [
        (-1.0, -0.5, AGREES),
        (1.0, 0.5, DISAGREES),
        (1.0, -0.5, PARTLY),
        (0.1, -0.1, UNDECIDED),
        (1.0, 0.1, UNDECIDED),
    ],
)
def test_both_clusterings_have_a_say(known, markov, expected):
    rule = Definitions(rule="definitions", system="C-CIP 101 %", measure="x", sign=-1)
    run = system("C-CIP 101 %")
    row = {"run": run["run"], "measure": "x", "value_std": 0.1, "this work": "this"}
    rows = [
        row | {"clustering": name, "value": value}
        for name, value in (("known sites", known), ("mcl", markov))
    ]
    tables = {"sites": pd.DataFrame([run]), "site_definitions": pd.DataFrame(rows)}
    assert verdict(rule, Evidence(tables)) == expected


def test_a_difference_is_taken_at_each_definition():
    """Both sides are defined alike: 70 in 50 to 75, against 60 in 40 to 65, is a rise of 10."""
    rows = [
        system(name, back_jump_fraction=value, back_jump_fraction_std=0.001)
        | {"back_jump_lowest": value - 0.2, "back_jump_highest": value + 0.05}
        for name, value in (("C-CIP 112 %", 0.7), ("C-CIP 101 %", 0.6))
    ]
    rule = More(
        rule="more", of="back-jumps", more=["C-CIP 112 %"], less=["C-CIP 101 %"], paper=10.0
    )
    table = pd.DataFrame(rows)
    assert verdict(rule, Evidence({"sites": table})) == AGREES
    # at the lowest definition there is a fall
    table.loc[0, "back_jump_lowest"] = 0.3
    assert verdict(rule, Evidence({"sites": table})) == UNDECIDED


def test_a_ratio_is_taken_at_each_definition():
    """Residence times twice as long by another definition on one side, three times on the other."""
    rows = [
        system(name, li=None) | {"kind": kind, "residence_time_ps": value,
        "residence_time_std_ps": 1e-9, "residence_time_lowest_ps": value,
        "residence_time_highest_ps": factor * value}
        for name, kind, value, factor in (
            ("C-CIP 101 % 24d", "24d", 1.0, 3.0), ("C-CIP 101 % 48g", "48g", 2.0, 2.0)
        )
    ]  # fmt: skip
    evidence = Evidence({"site_kinds": pd.DataFrame(rows)})
    names = ("C-CIP 101 % 48g", "C-CIP 101 % 24d")
    more, less = (
        evidence.measured("residence time", name, SYSTEMS[name], 1100.0) for name in names
    )
    found = contrast(QUANTITIES["residence time"], [more], [less])
    assert np.exp([found.estimate, found.low, found.high]) == pytest.approx([2, 4 / 3, 2])


def test_values_without_an_error_need_replicas():
    rule = More(rule="more", of="largest superbasin", more=["C-CIP 101 %"], less=["C-CIP 112 %"])

    def found(replicas: int, first: float, second: float) -> str:
        rows = [
            system(name, replica=n, largest_superbasin_fraction=value + 0.01 * n)
            for name, value in (("C-CIP 101 %", first), ("C-CIP 112 %", second))
            for n in range(1, replicas + 1)
        ]
        return verdict(rule, Evidence({"sites": pd.DataFrame(rows)}))

    assert found(3, 0.9, 0.3) == AGREES
    assert found(3, 0.3, 0.9) == DISAGREES
    assert found(3, 0.5, 0.5) == UNDECIDED
    with pytest.raises(NotMeasured, match="replicas"):
        found(1, 0.9, 0.3)


def test_all_sites_of_a_run_from_their_kinds():
    """24 sites of 3 ± 0.2 and 48 of 5 ± 0.1 Å3; 100 stays of 1 ps and 400 of 2 ps."""
    common = system("C-CIP 101 %")
    kinds = pd.DataFrame(
        [
            common | {"kind": "24d", "n_sites": 24, "static_volume_A3": 3.0,
                      "static_volume_spread_A3": 0.2, "residence_time_ps": 1.0,
                      "residence_time_std_ps": 0.1, "residence_time_lowest_ps": 0.5,
                      "residence_time_highest_ps": 3.0},
            common | {"kind": "48g", "n_sites": 48, "static_volume_A3": 5.0,
                      "static_volume_spread_A3": 0.1, "residence_time_ps": 2.0,
                      "residence_time_std_ps": 0.1, "residence_time_lowest_ps": 1.0,
                      "residence_time_highest_ps": 4.0},
        ]
    )  # fmt: skip
    row = with_derived({"site_kinds": kinds})["all_sites"].iloc[0]
    assert row["residence_time_ps"] == pytest.approx(900 / 500)
    assert row["residence_time_std_ps"] == pytest.approx(1.8 / np.sqrt(500))
    assert row["residence_time_lowest_ps"] == pytest.approx(450 / 500)
    assert row["residence_time_highest_ps"] == pytest.approx(1900 / 500)
    around = np.repeat([3.0, 5.0], [24, 48]).var() + (24 * 0.04 + 48 * 0.01) / 72
    assert row["static_volume_spread_A3"] == pytest.approx(np.sqrt(around))


# --------------------------------------------------------------------------- the claims themselves


def paper_evidence() -> Evidence:
    """Return the paper's own numbers, as tables of a campaign with errors of 1 %."""
    rows, fits = [], []
    for value in paper_values().to_dict("records"):
        made_by = value["structure_potential"]
        row = {
            "run": str(len(rows)),
            "phase": value["phase"],
            "structure_potential": NAMES.get(made_by),
            "melt_quench": "cip" if value["phase"] == "amorphous" else None,
            "md_potential": NAMES[value["md_potential"]],
            "li_per_formula": value["li_per_formula"] if value["li_per_formula"] > 0 else 6.25,
            "volume_ratio": value["volume_ratio"],
            "supercell": 2,
            "group": None,
            "temperature_K": value["temperature_K"],
        }
        if value["quantity"] == "tracer_D_cm2_s":
            rows.append(row | D(value["value"], 0.01 * value["value"]))
        elif value["quantity"] == "E_a_eV":
            del row["temperature_K"]
            fits.append(row | {"E_a_eV": value["value"], "E_a_std_eV": 0.005})
    return Evidence({"diffusion": pd.DataFrame(rows), "arrhenius": pd.DataFrame(fits)})


def test_the_paper_agrees_with_itself():
    """Each claim on D and Eₐ that the paper's printed numbers decide follows from them."""
    table = judge_claims(paper_evidence())
    decided = table[table["verdict"] != UNDECIDED]
    disagreeing = decided[decided["verdict"] != AGREES]
    assert disagreeing.empty, disagreeing[["claim", "numbers"]].to_string()
    assert len(decided) == 24


def test_another_campaign_s_page_says_what_that_campaign_shows():
    """With structures and potentials exchanged, the claims on their differences turn round."""
    tables = {}
    for name, table in paper_evidence().tables.items():
        other = dict(zip(NAMES.values(), reversed(NAMES.values()), strict=True))
        swapped = {
            key: table[key].replace(other) for key in ("md_potential", "structure_potential")
        }
        tables[name] = table.assign(**swapped)
    found = judge_claims(Evidence(tables)).set_index("claim")["verdict"]
    assert found.loc[found.index.str.startswith("ML in its own structure")].item() == DISAGREES
    assert found.loc[found.index.str.startswith("At 1100 K the ML glass")].item() == DISAGREES
    assert AGREES in set(found)


def test_every_reason_is_named_and_every_name_has_a_reason():
    named = {claim.why for claim in paper_claims().claims}
    named |= set(pd.read_csv(DATA / "paper_values.csv")["why"].fillna(""))
    assert named - {""} == set(load_yaml(DATA / "paper_reasons.yaml"))
    assert paper_reason("") == "open"


def test_reasons_are_given_for_disagreement_only():
    crystal, glass = "C-CIP 107 %", "A-CIP 112 %"
    alike = {"C-CIP 101 %": D(9e-5, 1e-6), "C-ML 100 %": D(1e-5, 1e-7)}
    first = judge_claims(diffusion(**alike)).iloc[0]
    assert (first["verdict"], first["why"]) == (DISAGREES, "open")
    for value, given in ((5.7e-7, False), (5e-6, True)):
        evidence = diffusion(**{crystal: D(2.94e-5, 1e-6), glass: D(value, 0.05 * value)})
        table = judge_claims(evidence).set_index("claim")
        row = table.loc[table.index.str.startswith("With CIP, glass is almost two orders")].iloc[0]
        assert bool(row["why"]) == given
    nothing = judge_claims(Evidence({}))
    assert set(nothing["verdict"]) == {UNDECIDED}
    assert not nothing["why"].any()
    assert nothing["numbers"].str.startswith("missing: ").all()
    assert count_claims(nothing) == (
        f"Of {len(nothing)} claims of the paper, 0 agree, 0 partly agree, 0 disagree, and "
        f"{len(nothing)} are not decidable with this campaign."
    )


def test_claims_of_a_campaign_are_written_from_what_tables_it_has(tmp_path, monkeypatch):
    monkeypatch.setattr(model, "RESULTS", tmp_path)
    campaign = load_campaign("quick")
    assert set(update_claims(campaign)["verdict"]) == {UNDECIDED}
    save_table(campaign, "diffusion", paper_evidence().tables["diffusion"])
    (campaign.directory / "gop.csv").write_text('"')
    save_table(campaign, "framework", pd.DataFrame({"run": ["x"]}))
    table = update_claims(campaign)
    assert AGREES in set(table["verdict"])
    assert table["numbers"].str.contains("gop.csv: without a record").any()
    assert table["numbers"].str.contains("framework.csv: column 'phase' is missing").any()
    written = read_table(campaign, "claims")
    assert written["verdict"].to_list() == table["verdict"].to_list()
    assert update_claims(load_campaign("uo2")).empty


def test_bounds_are_shown_as_such():
    assert Measured(1e-6, 1e-7, limit=2e-6).text(1e5) == "< 0.2"
    assert Measured(0.7, 0.01, by_definition=(0.7, 0.5, 0.75)).text(100) == "70.0 ± 1.0 (50 to 75)"
