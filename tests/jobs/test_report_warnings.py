"""Warnings that differ in their numbers alone are one."""

from hypothesis import given
from hypothesis import strategies as st

from llzo_helpers.jobs.report_warnings import alike, extrapolations

TEXTS = st.sampled_from(
    [
        "falls by {} %, of {} sites",
        "bush1994: {} outside 300 to 3000",
        "zero",
        "Li {}, O {} a step",
    ]
)
NUMBERS = st.sampled_from(["0", "2", "13", "-4.5", "1e-05", "+0.2"])


def test_numbers_are_ranges_and_names_stay():
    found = alike(
        [
            ("a", "temperature_K = 6000 is outside what bush1994 is trusted for"),
            ("b", "energy changes by -8.3 meV, 6.2 standard errors"),
            ("c", "energy changes by +4.6 meV, 6.2 standard errors"),
            ("d", "temperature_K = 4000 is outside what bush1994 is trusted for"),
            ("e", "1e-05 a step"),
        ]
    )
    assert [group.text for group in found] == [
        "temperature_K = 4000 to 6000 is outside what bush1994 is trusted for",
        "energy changes by -8.3 to +4.6 meV, 6.2 standard errors",
        "1e-05 a step",
    ]
    assert [[of for of, _ in group.each] for group in found] == [["a", "d"], ["b", "c"], ["e"]]


@given(st.lists(st.tuples(st.text(max_size=3), TEXTS, NUMBERS, NUMBERS), max_size=12))
def test_none_is_lost(drawn):
    warnings = [(of, text.format(first, second)) for of, text, first, second in drawn]
    groups = alike(warnings)
    assert sorted(each for group in groups for each in group.each) == sorted(warnings)
    assert len(groups) == len({text for _, text, *_ in drawn})
    for group in groups:
        if len(group.each) == 1:
            assert group.text == group.each[0][1]


def test_a_run_far_outside_the_training_range_stands_alone():
    def run(count: int) -> str:
        found = {"steps": 450000, "extrapolations": count, "extrapolations_O": count}
        return extrapolations(found, "net", 1488)

    usual, more, far = (run(count) for count in (300, 4_000_000, 254_000_000))
    assert usual.endswith("net (O 300) in 450000 steps, 0.0007 a step")
    assert far.endswith(
        "600 a step, 0.4 an atom and step: what the network says of them is not to be trusted"
    )
    assert [len(group.each) for group in alike([("a", usual), ("b", more), ("c", far)])] == [2, 1]
