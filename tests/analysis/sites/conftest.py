from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from llzo_helpers.analysis.sites import SiteAnalysis, landmark_analysis

DATA = Path(__file__).parents[2] / "data" / "sites"


@dataclass(frozen=True)
class Garnet:
    """The reference trajectory of Li7La3Zr2O12."""

    positions: NDArray[np.float32]
    cell: NDArray[np.float64]
    numbers: NDArray[np.int8]
    frame_interval_ps: float

    @property
    def mobile(self) -> NDArray[np.bool_]:
        return self.numbers == 3

    @property
    def framework_numbers(self) -> NDArray[np.int8]:
        return self.numbers[~self.mobile]


@pytest.fixture(scope="session")
def garnet() -> Garnet:
    data = np.load(DATA / "trajectory.npz", allow_pickle=False)
    return Garnet(data["positions"], data["cell"], data["numbers"], float(data["frame_interval"]))


@pytest.fixture(scope="session")
def reference() -> dict[str, NDArray]:
    """The results of the published package."""
    return dict(np.load(DATA / "reference.npz", allow_pickle=False))


@pytest.fixture(scope="session")
def garnet_sites(garnet: Garnet) -> SiteAnalysis:
    return landmark_analysis(garnet.positions, garnet.cell, garnet.mobile)
