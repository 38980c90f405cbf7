"""What `landmark_analysis` is given: sensible numbers, a mask, known sites, the cell of a solid."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from llzo_helpers.analysis.periodic import close_pairs, largest_distance
from llzo_helpers.analysis.sites.places import LEAST_DISTANCE_A
from llzo_helpers.arguments import (
    check_choice,
    check_number,
    check_whole,
    checked_mask,
    checked_points,
)
from llzo_helpers.arrays import BoolArray, FloatArray
from llzo_helpers.errors import InputError, counted

LEAST_HEIGHT_A, MOST_VOLUME_A3 = 2.0, 1000.0
"""Of a cell, Å, and per framework atom, Å^3: beyond, it is not that of a solid."""
NUMBERS = {
    "cutoff_midpoint": ("a ratio of distances", 1, 3),
    "cutoff_steepness": ("a steepness", 5, 1000),
    "clustering_threshold": ("a similarity", 0.01, 1),
    "assignment_threshold": ("a similarity", 0.01, 1),
    "minimum_site_occupancy": ("a fraction of frames", 0, 0.99),
    "inflation": ("a power above 1", 1.01, 30),
    "place_distance_A": ("a distance in Å", 0.01, 100),
}
"""What each number means, and between which values it is sensible."""
WHOLE_NUMBERS = {
    "expansion": ("a power", 2, 10),
    "window_frames": ("a number of frames", 1, 10**9),
}
CHOICES = {"clustering": ("dotprod", "mcl"), "engine": ("native", "sitator")}


def check_parameters(**parameters: Any) -> None:
    """Refuse parameters of `landmark_analysis` that are out of range."""
    for name, value in parameters.items():
        if name in CHOICES:
            check_choice(name, value, CHOICES[name])
        elif name in WHOLE_NUMBERS:
            meaning, least, most = WHOLE_NUMBERS[name]
            check_whole(name, value, meaning, low=least, high=most)
        else:
            meaning, low, high = NUMBERS[name]
            check_number(name, value, meaning, low=low, high=high)


def checked_division(mobile: ArrayLike) -> BoolArray:
    """Return the mask of the mobile ions [atom], which must leave enough atoms as framework."""
    mask = checked_mask(mobile)
    if (~mask).sum() < 4:
        raise InputError(
            f"mobile: leaves {counted((~mask).sum(), 'framework atom')}; landmarks need "
            "at least 4, so set the mask False for what stays in place"
        )
    return mask


def check_size(cell: FloatArray, n_framework: int) -> None:
    """Refuse a reduced cell [vector, axis] that cannot be that of a solid, as in other units."""
    height = 2 * largest_distance(cell)
    if height < LEAST_HEIGHT_A:
        raise InputError(
            f"cell: its smallest height is {height:.3g} Å, less than atoms need; give its vectors "
            f"in Å, with heights of {LEAST_HEIGHT_A:g} or more"
        )
    volume = float(np.linalg.det(cell)) / n_framework
    if volume > MOST_VOLUME_A3:
        raise InputError(
            f"cell: has {volume:.2g} Å3 for each framework atom, where a solid has 10 to 100; give "
            f"its vectors in Å, with {MOST_VOLUME_A3:g} or less"
        )


def checked_seeds(seeds: ArrayLike, framework: FloatArray, cell: FloatArray) -> FloatArray:
    """Return known positions of sites [site, axis], Å.

    No two may be the same, and most must not be those of framework atoms; single atoms may be at
    the sites of a crystal with defects.
    """
    known = checked_points("seeds", seeds)
    n = len(known)
    if not n:
        raise InputError("seeds: none; give the position of at least one site in Å")
    near = close_pairs(np.concatenate([known, framework]), cell, LEAST_DISTANCE_A)
    for first, second, distance in zip(*near, strict=True):
        if max(first, second) < n:
            raise InputError(
                f"seeds: {first} and {second} are {distance:.2g} Å apart; give each site once"
            )
    first, second, _ = near
    on_atoms = len(np.unique(first[(first < n) & (second >= n)]))
    if on_atoms > n / 2:
        raise InputError(
            f"seeds: {on_atoms} of {n} are at framework atoms; give the positions of sites in Å"
        )
    return known
