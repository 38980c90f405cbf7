import numpy as np
import pandas as pd
import pytest

from llzo_helpers.campaign.model import load_campaign
from llzo_helpers.campaign.tables import read_table, save_table, with_error


@pytest.mark.parametrize(
    ("value", "std", "words"),
    [
        (1.4237, 0.0891, "1.42 ± 0.09"),
        (1.4237, 0.0960, "1.42 ± 0.10"),
        (1.4237, 0.0996, "1.42 ± 0.10"),
        (0.5638, 0.1881, "0.56 ± 0.19"),
        (0.5638, 0.1960, "0.6 ± 0.2"),
        (1234.0, 130.0, "1230 ± 130"),
        (0.0224, 0.0038, "0.022 ± 0.004"),
        (1234.0, 56.0, "1230 ± 60"),
        (64.0, 3.0, "64 ± 3"),
        (2.5, 0.0, "2.5"),
        (2.5, float("nan"), "2.5"),
        (float("nan"), 1.0, ""),
    ],
)
def test_a_value_is_written_to_the_first_digit_of_its_error_or_the_second_after_a_1(
    value: float, std: float, words: str
):
    assert with_error(value, std) == words


@pytest.mark.parametrize("name", ["2800", "005", "1e3", "NA", "None", "nan", "True"])
def test_names_come_back_as_they_were_written(name: str, tmp_path, monkeypatch):
    """A trajectory may be called 2800.dump, a protocol 5."""
    monkeypatch.setattr("llzo_helpers.campaign.model.RESULTS", tmp_path)
    campaign = load_campaign("smoke")
    names = dict.fromkeys(("run", "melt_quench", "md_potential", "from_melt_quench"), [name] * 2)
    numbers = {"replica": [1, 2], "tracer_D_cm2_s": [np.nan, 1.5], "upper_bound": [True, False]}
    table = pd.DataFrame({**names, "group": [np.nan, name], **numbers})
    save_table(campaign, "diffusion", table)
    again = read_table(campaign, "diffusion")
    pd.testing.assert_frame_equal(again, table, check_dtype=False)
    assert again["group"].isna().to_list() == [True, False]
    assert again[list(numbers)].dtypes.map(lambda kind: kind.kind).to_list() == ["i", "f", "b"]
