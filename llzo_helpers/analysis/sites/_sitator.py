"""The published package as an engine, if it is installed."""

from types import ModuleType
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from llzo_helpers.analysis.frames import CHUNK_FRAMES
from llzo_helpers.analysis.sites.landmark_vectors import LandmarkVectors
from llzo_helpers.errors import InputError


def run_sitator(
    stream: LandmarkVectors,
    clustering: str,
    minimum_site_occupancy: float,
    parameters: dict[str, Any],
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return sitator's assignments and confidences [frame, ion] on the stream's landmarks.

    The package keeps the whole trajectory and all landmark vectors: long runs need tens of GB.

    Raises
    ------
    InputError
        sitator is not installed, or the framework rearranges.
    """
    package, landmark = _import_sitator()
    if len(stream.framework.epochs) > 1:
        raise InputError(
            "engine: 'sitator' needs a framework that keeps its place; this one rearranges, use "
            "engine='native'"
        )
    structure = Atoms(
        numbers=np.where(stream.mobile, 3, 8),
        positions=np.zeros((len(stream.mobile), 3)),
        cell=stream.cell,
        pbc=True,
    )
    structure.positions[~stream.mobile] = stream.framework.positions
    network = package.SiteNetwork(structure, ~stream.mobile, stream.mobile)
    network.centres = stream.landmarks.centres
    network.vertices = [[int(v) for v in row if v >= 0] for row in stream.landmarks.vertices]
    frames = np.concatenate(
        [chunk.astype(float) for chunk in stream.frames.chunks(frames=CHUNK_FRAMES)]
    )
    analysis = landmark.LandmarkAnalysis(
        clustering_algorithm=clustering,
        clustering_params=parameters,
        cutoff_midpoint=stream.cutoff_midpoint,
        cutoff_steepness=stream.cutoff_steepness,
        minimum_site_occupancy=minimum_site_occupancy,
        max_mobile_per_site=int(stream.mobile.sum()),
        static_movement_threshold=np.inf,
        check_for_zero_landmarks=False,
        verbose=False,
    )
    trajectory = analysis.run(network, frames)
    return trajectory.traj.astype(np.int32), trajectory._confs.astype(np.float32)


def _import_sitator() -> tuple[ModuleType, ModuleType]:
    try:
        import sitator
        from sitator import landmark
    except ImportError:
        raise InputError(
            "engine: 'sitator' is not installed; use engine='native', or install it from "
            "https://github.com/Linux-cpp-lisp/sitator into an environment with NumPy below 1.24"
        ) from None
    return sitator, landmark
