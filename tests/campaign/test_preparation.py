from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml

from llzo_helpers.analysis.plateau import RunningD
from llzo_helpers.campaign.model import load_campaign
from llzo_helpers.campaign.preparation import preparation_effects
from llzo_helpers.campaign.tables import run_columns

GLASS = {
    "phase": "amorphous",
    "structure_potential": "bush1994_woodley1999",
    "li_per_formula": 6.25,
    "volume_ratio": 1.12,
    "md_potential": "bush1994_woodley1999",
    "temperature_K": 1100,
    "replicas": 3,
}
FAST = {"preset": "cip", "name": "fast", "quench_K_ps": 20, "relax_cell": True}


@pytest.fixture
def campaign(tmp_path):
    path = tmp_path / "made.yaml"
    systems = [GLASS | {"melt_quench": "cip"}, GLASS | {"melt_quench": FAST}]
    crystal = {key: GLASS[key] for key in ("li_per_formula", "volume_ratio", "md_potential")}
    systems.append(crystal | {"temperature_K": 1100, "phase": "crystal"})
    md = {"equilibration_ps": 1, "production_ps": 10, "frame_interval_fs": 50, "segment_ps": 5}
    content = {"description": "two ways to make a glass", "seed": 1, "md": md, "systems": systems}
    path.write_text(yaml.safe_dump(content))
    return load_campaign(path)


def test_a_glass_cooled_faster_in_which_D_falls_with_lag_and_age(campaign):
    """D ~ lag^-0.5 everywhere, halves along the run, and is 4 times as large when cooled fast."""
    lags = np.geomspace(0.1, 200, 40)
    rng = np.random.default_rng(0)
    rows, parts, results = [], [], {}
    for run in campaign.runs:
        made = run.structure.melt_quench
        D = 1e-6 * (4 if made and made.name == "fast" else 1) * np.exp(rng.normal(0, 0.1))
        row = run_columns(run) | {"tracer_D_cm2_s": D, "tracer_D_std_cm2_s": 0.1 * D}
        rows.append(row)
        parts += [row | {"age_ps": age, "tracer_D_cm2_s": D * 100 / age} for age in (200, 150, 100)]
        running = RunningD(lags, D * (100 / lags) ** 0.5, np.zeros(40))
        results[run.name] = SimpleNamespace(running=running, fit_lags_ps=(50, 200))
    found = preparation_effects(campaign, pd.DataFrame(rows), pd.DataFrame(parts), results)

    assert found["effect"].to_list() == ["lag", "age", "made", "replicas"]
    assert (found["runs"] == 6).all()
    factor = found.set_index("effect")["factor"]
    assert factor["lag"] == pytest.approx(10**-0.5, rel=0.02)
    assert factor["age"] == pytest.approx(0.5)
    for result in results.values():  # a tenth of these lags is not known
        result.fit_lags_ps = (0.3, 1.2)
    shorter = preparation_effects(campaign, pd.DataFrame(rows), pd.DataFrame(parts), results)
    assert "lag" not in set(shorter["effect"])
    made = found.set_index("effect").loc["made"]
    assert made["change"] == "quench_K_ps 5 → 20, relax_cell no → yes"
    assert made["factor_low_95"] < 4 < made["factor_high_95"]
    assert made["factor_low_95"] > 1.5
    spread = found.set_index("effect").loc["replicas"]
    assert spread["factor_low_95"] < np.exp(0.1) < spread["factor_high_95"]


def test_single_glasses_and_crystals_are_not_compared(campaign):
    run = campaign.runs[0]
    row = run_columns(run) | {"tracer_D_cm2_s": 1e-6, "tracer_D_std_cm2_s": 1e-7}
    crystal = run_columns(campaign.runs[-1]) | {"tracer_D_cm2_s": 1e-6, "tracer_D_std_cm2_s": 1e-7}
    empty = pd.DataFrame(columns=["run", "age_ps", "tracer_D_cm2_s"])
    found = preparation_effects(campaign, pd.DataFrame([row, crystal, crystal]), empty, {})
    assert found.empty
    assert {"effect", "change", "factor"} <= set(found)
