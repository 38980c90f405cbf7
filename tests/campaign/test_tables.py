import pytest

from llzo_helpers.campaign.tables import with_error


@pytest.mark.parametrize(
    ("value", "std", "words"),
    [
        (1.4237, 0.0891, "1.42 ± 0.09"),
        (1.4237, 0.0960, "1.4 ± 0.1"),
        (0.0224, 0.0038, "0.022 ± 0.004"),
        (1234.0, 56.0, "1230 ± 60"),
        (64.0, 3.0, "64 ± 3"),
        (2.5, 0.0, "2.5"),
        (2.5, float("nan"), "2.5"),
        (float("nan"), 1.0, ""),
    ],
)
def test_a_value_is_written_to_the_first_digit_of_its_error(value: float, std: float, words: str):
    assert with_error(value, std) == words
