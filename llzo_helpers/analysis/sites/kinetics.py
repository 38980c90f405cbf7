"""From jumps to diffusion: the coefficient that follows from the measured network of sites.

An ion that walks on the network with the measured rates and no memory has the diffusion
tensor that the master equation gives. Compared with the tracer diffusion coefficient from mean
squared displacements, it shows how much of the correlation between jumps is due to the network
and how much to the memory of the ion and its neighbours.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse.csgraph import connected_components

from llzo_helpers.analysis.periodic import reduced_cell
from llzo_helpers.analysis.sites.jumps import JumpStatistics, Stays, jump_statistics
from llzo_helpers.analysis.sites.network import hop_vectors
from llzo_helpers.arguments import check_whole, checked_points
from llzo_helpers.arrays import BoolArray, FloatArray
from llzo_helpers.errors import InputError

ANGSTROM2_PER_PS = 1e-4  # cm2/s
_NEARLY_AS_NEAR = 1.2
"""Of two images of a site, the other is at most so many times as far: a jump may be to either."""
_LARGEST_UNKNOWN = 0.05
"""Of the diffusion by independent jumps, the part by jumps that may be to either."""


@dataclass(frozen=True)
class JumpDiffusion:
    """Diffusion on a network of sites, cm2/s.

    In a cell so small that jumps cross half of it, and could have gone either way, the tensor and
    what follows from it are NaN, and `net_flux` is zero.

    Attributes
    ----------
    tensor_cm2_s : ndarray, shape [axis, axis]
        Of an ion without memory on the network (master equation).
    D_cm2_s : float
        A third of its trace, D_jump.
    D_std_cm2_s : float
        Standard error, by bootstrap over ions; NaN with a single ion.
    uncorrelated_D_cm2_s : float
        Of independent jumps, sum of rate times distance squared over 6.
    network_correlation : float
        `D_cm2_s` divided by this: 1 on a lattice of equivalent sites; less where a network has
        dead ends and fast pairs.
    net_flux : ndarray, shape [axis, from, to]
        Net jumps per ps and ion along each link in a unit gradient (1/Å) along each axis: the
        paths of diffusion. Antisymmetric in the sites.
    """

    tensor_cm2_s: FloatArray
    D_cm2_s: float
    D_std_cm2_s: float
    uncorrelated_D_cm2_s: float
    network_correlation: float
    net_flux: FloatArray


def jump_diffusion(
    stays: Stays,
    centres: FloatArray,
    cell: ArrayLike,
    frame_interval_ps: float,
    *,
    n_bootstrap: int = 50,
    seed: int = 0,
) -> JumpDiffusion:
    """Return the diffusion tensor of the measured network by its master equation.

    Jumps i to j and back are averaged, as they are equally frequent in equilibrium.

    Parameters
    ----------
    stays : Stays
        From `find_stays`.
    centres : ndarray, shape [site, axis]
        Å.
    cell : array_like, shape [vector, axis]
        Å.
    frame_interval_ps : float
        Time between frames, ps.
    n_bootstrap, seed : int
        Resamplings of the ions for the standard error.

    Raises
    ------
    InputError
        Not a finite centre for each site, a frame interval that is not positive, or fewer than
        two resamplings.
    """
    check_whole("n_bootstrap", n_bootstrap, "a number of resamplings", low=2, high=10**6)
    centres = checked_points("centres", centres)
    if len(centres) != stays.n_sites:
        raise InputError(f"centres: {len(centres)}; give one for each of {stays.n_sites} sites")

    def flux(ion_weights: FloatArray | None) -> FloatArray:
        statistics = jump_statistics(stays, frame_interval_ps, ion_weights=ion_weights)
        return exchange_frequencies(statistics)

    exchange = flux(None)
    vectors = hop_vectors(centres, cell, exchange > 0)
    uncorrelated = np.einsum("ij,ijx,ijx", exchange, vectors, vectors) / 6
    carried = exchange * (vectors**2).sum(axis=2)
    if carried[_either_way(vectors, cell)].sum() > _LARGEST_UNKNOWN * carried.sum():
        return JumpDiffusion(
            tensor_cm2_s=np.full((3, 3), np.nan),
            D_cm2_s=np.nan,
            D_std_cm2_s=np.nan,
            uncorrelated_D_cm2_s=float(uncorrelated) * ANGSTROM2_PER_PS,
            network_correlation=np.nan,
            net_flux=np.zeros((3, *exchange.shape)),
        )
    tensor, net_flux = network_diffusion(exchange, vectors)
    rng = np.random.default_rng(seed)
    resampled = []
    for _ in range(n_bootstrap):
        draw = rng.integers(stays.n_ions, size=stays.n_ions)
        weights = np.bincount(draw, minlength=stays.n_ions).astype(float)
        resampled.append(np.trace(network_diffusion(flux(weights), vectors)[0]) / 3)
    coefficient = float(np.trace(tensor) / 3)
    return JumpDiffusion(
        tensor_cm2_s=tensor * ANGSTROM2_PER_PS,
        D_cm2_s=coefficient * ANGSTROM2_PER_PS,
        # the spread between ions is not known from one
        D_std_cm2_s=float(np.std(resampled, ddof=1)) * ANGSTROM2_PER_PS
        if stays.n_ions > 1
        else np.nan,
        uncorrelated_D_cm2_s=float(uncorrelated) * ANGSTROM2_PER_PS,
        network_correlation=coefficient / float(uncorrelated) if uncorrelated > 0 else np.nan,
        net_flux=net_flux,
    )


def _either_way(vectors: FloatArray, cell: ArrayLike) -> BoolArray:
    """Return which jumps [from, to] may have gone to another image of their site."""
    lengths = np.linalg.norm(vectors, axis=2)
    other = np.full_like(lengths, np.inf)
    for shift in np.ndindex(3, 3, 3):
        if shift != (1, 1, 1):
            image = vectors + (np.array(shift) - 1) @ reduced_cell(cell)
            other = np.minimum(other, np.linalg.norm(image, axis=2))
    return np.asarray(other < _NEARLY_AS_NEAR * lengths)


def exchange_frequencies(statistics: JumpStatistics) -> FloatArray:
    """Return how often an ion jumps between two sites, mean of both directions, 1/ps [from, to]."""
    jumps = statistics.jumps
    return np.asarray((jumps + jumps.T) / (2 * statistics.time_at_site_ps.sum()))


def network_diffusion(exchange: FloatArray, vectors: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the diffusion tensor of a random walk on a periodic network in equilibrium.

    With c_ij the frequency of jumps i to j, equal to that of j to i, and v_ij their vectors,
    D = 1/2 sum_ij c_ij w_ij w_ij with w_ij = v_ij + x_j - x_i, where the shifts x make the
    drift sum_j c_ij w_ij vanish at every site (homogenisation of the master equation; the
    resistor network of the jumps).

    Parameters
    ----------
    exchange : ndarray, shape [from, to]
        Symmetric frequencies of jumps, per ion.
    vectors : ndarray, shape [from, to, axis]
        Antisymmetric in the sites.

    Returns
    -------
    tensor : ndarray, shape [axis, axis]
        Length squared times frequency.
    net_flux : ndarray, shape [axis, from, to]
        c_ij w_ij.
    """
    laplacian = np.diag(exchange.sum(axis=1)) - exchange
    drift = np.einsum("ij,ijx->ix", exchange, vectors)
    # Shifts are free up to a constant in each connected part: its first site stays.
    _, part = connected_components(exchange > 0, directed=False)
    moved = np.ones(len(exchange), dtype=bool)
    moved[np.unique(part, return_index=True)[1]] = False
    shifts = np.zeros_like(drift)
    shifts[moved] = np.linalg.solve(laplacian[np.ix_(moved, moved)], drift[moved])
    corrected = vectors + shifts[None] - shifts[:, None]
    tensor = np.einsum("ij,ijx,ijy->xy", exchange, corrected, corrected) / 2
    return tensor, np.einsum("ij,ijx->xij", exchange, corrected)


def flux_path(net_flux: FloatArray) -> list[int]:
    """Return the sites along the strongest net flux, as a cycle through the periodic network.

    The path starts with the link of largest net flux and follows the largest flux out of each
    site reached, until a site repeats.

    Parameters
    ----------
    net_flux : ndarray, shape [from, to]
        Along one axis, from `JumpDiffusion`.

    Returns
    -------
    list of int
        The first site is repeated at the end; empty if nothing flows.
    """
    # where nothing percolates, rounding errors remain
    outward = np.where(net_flux > 1e-12, net_flux, 0.0)
    if outward.size == 0 or outward.max() == 0:
        return []
    path = [int(np.unravel_index(outward.argmax(), outward.shape)[0])]
    while True:
        following = int(outward[path[-1]].argmax())
        if following in path:
            return [*path[path.index(following) :], following]
        path.append(following)
