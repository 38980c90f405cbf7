"""What one glass says of others."""

import numpy as np
import pandas as pd
import pytest

from llzo_helpers.campaign.glass_spread import with_glass_spread
from llzo_helpers.campaign.tables import SYSTEM_COLUMNS

RNG = np.random.default_rng(1)


def glass(D: float, std: float = 0.0, **changes: object) -> dict[str, object]:
    return {
        **dict.fromkeys(SYSTEM_COLUMNS),
        **{"phase": "amorphous", "structure_potential": "a", "md_potential": "a"},
        **{"volume_ratio": 1.12, "supercell": 1, "temperature_K": 1100.0, "replica": 1},
        **{"tracer_D_cm2_s": D, "tracer_D_std_cm2_s": std, "tracer_D_freedom": np.inf},
        **changes,
    }


def replicas(n: int, spread: float, **changes: object) -> list[dict[str, object]]:
    values = np.exp(spread * RNG.normal(size=n))
    return [glass(D, replica=number, **changes) for number, D in enumerate(values)]


def test_the_spread_is_that_which_glasses_were_drawn_with():
    """Replicas at several densities, which differ in their means, too."""
    rows = [glass(2.0, 0.2, volume_ratio=1.3)]
    for number in range(300):
        rows += replicas(3, 0.5, volume_ratio=number)
    before = pd.DataFrame(rows)
    after = with_glass_spread(before)
    assert after["tracer_D_std_cm2_s"][0] == pytest.approx(2 * np.hypot(0.1, 0.5), rel=0.05)
    # of those that have replicas, nothing changes
    pd.testing.assert_frame_equal(after[1:], before[1:])


def test_what_the_errors_of_replicas_explain_is_no_spread_between_glasses():
    rows = [glass(2.0, 0.2, volume_ratio=1.3)]
    for number in range(300):
        # scatter of 0.3 between glasses, 0.4 of each D
        rows += [row | {"tracer_D_std_cm2_s": 0.4 * row["tracer_D_cm2_s"]}
                 for row in replicas(3, 0.5, volume_ratio=number)]  # fmt: skip
    after = with_glass_spread(pd.DataFrame(rows))
    assert after["tracer_D_std_cm2_s"][0] == pytest.approx(2 * np.hypot(0.1, 0.3), rel=0.1)
    wide = [row | {"tracer_D_std_cm2_s": row["tracer_D_cm2_s"]} for row in rows[1:]]
    after = with_glass_spread(pd.DataFrame([rows[0], *wide]))
    assert after["tracer_D_std_cm2_s"][0] == pytest.approx(0.2)


def test_degrees_of_freedom_are_those_of_few_replicas():
    few = [glass(1.0, 1e-6, volume_ratio=1.3), *replicas(3, 0.5), *replicas(2, 0.5, li=1)]
    after = with_glass_spread(pd.DataFrame(few))
    assert after["tracer_D_freedom"][0] == pytest.approx(4 - 1, abs=1.01)


@pytest.mark.parametrize(
    "other",
    [{"phase": "crystal"}, {"supercell": 2}, {"tracer_D_cm2_s": -1.0}],
    ids=["crystal", "another cell", "no D"],
)
def test_what_has_no_glass_to_compare_with_keeps_its_error(other):
    rows = [glass(1.0, 0.1, **{"volume_ratio": 1.3} | other), *replicas(3, 0.5)]
    before = pd.DataFrame(rows)
    pd.testing.assert_frame_equal(with_glass_spread(before), before)
    alone = before[:1]
    pd.testing.assert_frame_equal(with_glass_spread(alone), alone)


def test_glasses_of_the_same_potentials_come_first():
    wide = replicas(200, 2.0, structure_potential="b")
    one = glass(1.0, volume_ratio=1.3)
    assert with_glass_spread(pd.DataFrame([one, *wide]))["tracer_D_std_cm2_s"][0] > 1.5
    both = pd.DataFrame([one, *wide, *replicas(200, 0.1)])
    assert with_glass_spread(both)["tracer_D_std_cm2_s"][0] < 0.2
