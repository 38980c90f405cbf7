"""How a network of jumps conducts: components, percolation, conductance, relaxation.

The network is one of rates: an ion at site i leaves for site j at the rate k_ij, and finds
i occupied a fraction p_i of the time. In equilibrium as many jumps go one way as the other,
so that an edge has one conductance c_ij = (p_i k_ij + p_j k_ji) / 2, the jumps per time
along it; counted jumps differ in the two directions by noise, which the mean halves.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import eigvalsh
from scipy.sparse import coo_array, csc_array, csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components, laplacian
from scipy.sparse.linalg import splu
from scipy.stats import norm, permutation_test, rankdata

from llzo_helpers.errors import InputError
from llzo_helpers.neighbours import checked_cell

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

CM2_PER_S = 1e-4  # of 1 Å2/ps


@dataclass(frozen=True)
class RateNetwork:
    """Sites in a periodic cell and the conductances between them.

    Attributes
    ----------
    cell : ndarray, shape [vector, axis]
        Å.
    occupancies : ndarray, shape [site]
        Mean number of ions at each site.
    first, second : ndarray, shape [edge]
        The two sites of each edge, first < second.
    conductances : ndarray, shape [edge]
        Jumps per time from one site to the other, the same both ways, 1/ps.
    displacements : ndarray, shape [edge, axis]
        From the first site to the second, Å.
    images : ndarray, shape [edge, vector]
        Cells crossed on the way.
    """

    cell: FloatArray
    occupancies: FloatArray
    first: IntArray
    second: IntArray
    conductances: FloatArray
    displacements: FloatArray
    images: IntArray

    @property
    def n_sites(self) -> int:
        """Number of sites."""
        return len(self.occupancies)

    @property
    def adjacency(self) -> csr_array:
        """Symmetric matrix of conductances [site, site], 1/ps."""
        pairs = (self.first, self.second)
        upper = coo_array((self.conductances, pairs), shape=(self.n_sites, self.n_sites))
        return csr_array(upper + upper.T)

    @property
    def component(self) -> IntArray:
        """Connected component of each site [site]."""
        return np.asarray(connected_components(self.adjacency)[1], dtype=np.int64)


@dataclass(frozen=True)
class Percolation:
    """In which directions a network leads from a cell to its periodic images.

    Attributes
    ----------
    dimensions : int
        Of the component that percolates most: 0 (pockets) to 3 (everywhere).
    along : tuple of bool
        Whether any component leads to the next cell along each cell vector.
    percolating_fraction : float
        Fraction of sites in components of one dimension or more.
    """

    dimensions: int
    along: tuple[bool, bool, bool]
    percolating_fraction: float


@dataclass(frozen=True)
class Conductance:
    """Effective conductance of a periodic network of rates.

    Attributes
    ----------
    tensor : ndarray, shape [axis, axis]
        Conductivity of the network, jumps/(ps Å): 1 per ps on the edges of a simple cubic
        lattice with an edge a gives 1/a.
    diffusivity : ndarray, shape [axis, axis]
        Tracer diffusion coefficient, cm2/s, of ions that move on the network with its rates
        and remember nothing: what the network alone lets through.
    """

    tensor: FloatArray
    diffusivity: FloatArray

    @property
    def mean_diffusivity(self) -> float:
        """A third of the trace of `diffusivity`, cm2/s."""
        return float(np.trace(self.diffusivity) / 3)


@dataclass(frozen=True)
class RankCorrelation:
    """Spearman's rank correlation of a quantity with another.

    Attributes
    ----------
    coefficient : float
        Spearman's rho.
    interval : tuple of float
        95 % confidence interval.
    p_value : float
        Probability of at least this |rho| if the two were independent (permutations).
    n : int
        Number of pairs.
    """

    coefficient: float
    interval: tuple[float, float]
    p_value: float
    n: int


def rate_network(
    rates: ArrayLike, occupancies: ArrayLike, positions: ArrayLike, cell: ArrayLike
) -> RateNetwork:
    """Return the network of conductances of counted rates.

    Parameters
    ----------
    rates : array_like, shape [site, site]
        Rate of jumps from the first site to the second, 1/ps; the diagonal is ignored.
    occupancies : array_like, shape [site]
        Mean number of ions at each site.
    positions : array_like, shape [site, axis]
        Å. A jump goes to the nearest periodic image of its target.
    cell : array_like, shape [vector, axis]
        Å.

    Raises
    ------
    InputError
        Shapes that don't fit, a rate or an occupancy that is negative or not finite, a
        cell without a volume, or no edge.
    """
    rate = np.array(rates, dtype=float)
    occupancy = np.asarray(occupancies, dtype=float)
    position = np.asarray(positions, dtype=float)
    vectors = checked_cell(cell)
    n = len(occupancy)
    if rate.shape != (n, n) or position.shape != (n, 3):
        raise InputError(
            f"rates, positions: shapes {rate.shape}, {position.shape}; "
            f"give [site, site] and [site, 3] for the {n} occupancies"
        )
    for name, values in (("rates", rate), ("occupancies", occupancy)):
        if not np.all(np.isfinite(values)) or values.min() < 0:
            raise InputError(f"{name}: {values.min():g} occurs; give finite values of 0 or more")
    one_way = occupancy[:, None] * rate
    # an ion that came in the last frame says nothing of how long its site is held
    one_way[:, occupancy == 0] = 0
    conductance = np.triu(one_way + one_way.T, k=1) / 2
    first, second = np.nonzero(conductance)
    if not len(first):
        raise InputError(
            "rates: no edge between any two sites; give a trajectory in which ions jump"
        )
    fractional = position @ np.linalg.inv(vectors)
    step = fractional[second] - fractional[first]
    images = -np.round(step)
    return RateNetwork(
        cell=vectors,
        occupancies=occupancy,
        first=first,
        second=second,
        conductances=conductance[first, second],
        displacements=(step + images) @ vectors,
        images=images.astype(np.int64),
    )


def largest_component_fraction(network: RateNetwork) -> float:
    """Return the fraction of sites in the largest connected component."""
    return float(np.bincount(network.component).max() / network.n_sites)


def percolation(network: RateNetwork) -> Percolation:
    """Return in how many dimensions and along which cell vectors the network percolates.

    Every closed walk on a component crosses some number of cells; these vectors span a
    lattice, whose rank is the dimension of the component.
    """
    adjacency = network.adjacency
    # crossings from a site of the component to each site, along the edges of a tree
    crossings = np.zeros((network.n_sites, 3), dtype=np.int64)
    crossed = {
        (int(i), int(j)): image
        for i, j, image in zip(network.first, network.second, network.images, strict=True)
    }
    component = network.component
    for root in np.unique(component, return_index=True)[1]:
        order, parent = breadth_first_order(adjacency, int(root), directed=False)
        for site in order[1:].tolist():
            origin = int(parent[site])
            step = crossed[origin, site] if (origin, site) in crossed else -crossed[site, origin]
            crossings[site] = crossings[origin] + step
    windings = crossings[network.first] + network.images - crossings[network.second]
    of_edge = component[network.first]
    ranks = np.zeros(component.max() + 1, dtype=np.int64)
    for s in np.unique(of_edge[np.any(windings != 0, axis=1)]):
        ranks[s] = np.linalg.matrix_rank(windings[of_edge == s])
    x, y, z = np.any(windings != 0, axis=0).tolist()
    return Percolation(
        dimensions=int(ranks.max()),
        along=(x, y, z),
        percolating_fraction=float(np.mean(ranks[component] > 0)),
    )


def algebraic_connectivity(network: RateNetwork) -> float:
    """Return the rate at which the largest component forgets where an ion was, 1/ps.

    It is the second smallest eigenvalue of the Laplacian of the conductances, relative to
    the occupancies: L x = lambda diag(p) x. With occupancies of 1 it is Fiedler's algebraic
    connectivity (Czech. Math. J. 23, 298 (1973)). It falls as the square of the size of the
    cell, for a longer way takes longer to forget: compare cells of one size.
    """
    component = network.component
    sites = np.flatnonzero(component == np.argmax(np.bincount(component)))
    matrix = network.adjacency[sites][:, sites].toarray()
    scale = 1 / np.sqrt(np.maximum(network.occupancies[sites], np.finfo(float).tiny))
    scaled = laplacian(matrix) * scale * scale[:, None]
    return float(eigvalsh(scaled, subset_by_index=[1, 1])[0])


def effective_conductance(network: RateNetwork) -> Conductance:
    """Return the effective conductance of the periodic network in every direction.

    A uniform field drives a current; potentials u at the sites adjust until as much comes
    in as goes out. Along axis a, with r_e the displacement of edge e,

        G_ab = 1/V * sum_e c_e (r_ea + du_ea) (r_eb + du_eb),

    least over all u (Dirichlet's principle). For ions that move independently on the
    network, the tracer diffusion coefficient is D = G V / (number of ions), which is the
    homogenised diffusion coefficient of a reversible random walk.
    """
    volume = abs(float(np.linalg.det(network.cell)))
    edges = np.arange(len(network.first))
    incidence = csr_array(
        (
            np.repeat([-1.0, 1.0], len(edges)),
            (np.tile(edges, 2), np.concatenate([network.first, network.second])),
        ),
        shape=(len(edges), network.n_sites),
    )
    weighted = incidence.T * network.conductances
    # one site of each component is held at zero, as potentials are known up to a constant
    held = np.unique(network.component, return_index=True)[1]
    free = np.setdiff1d(np.arange(network.n_sites), held)
    potentials = np.zeros((network.n_sites, 3))
    stiffness = csc_array((weighted @ incidence)[free][:, free])
    potentials[free] = splu(stiffness).solve(-(weighted @ network.displacements)[free])
    drops = network.displacements + incidence @ potentials
    total = (drops * network.conductances[:, None]).T @ drops
    return Conductance(
        tensor=total / volume,
        diffusivity=total / network.occupancies.sum() * CM2_PER_S,
    )


def rank_correlation(first: ArrayLike, second: ArrayLike, *, seed: int = 0) -> RankCorrelation:
    """Return Spearman's rank correlation with a confidence interval.

    The interval is that of D. G. Bonett and T. A. Wright, Psychometrika 65, 23 (2000): of
    Fisher's z with the variance (1 + rho^2 / 2) / (n - 3).

    Parameters
    ----------
    first, second : array_like, shape [pair]
        The two quantities; pairs with a NaN are left out.
    seed : int
        Of the permutations, which are all taken where there are few.

    Raises
    ------
    InputError
        Lengths that differ, fewer than 5 pairs, or a quantity that is constant.
    """
    x, y = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if x.shape != y.shape or x.ndim != 1:
        raise InputError(f"pairs: shapes {x.shape} and {y.shape}; give two lists of one length")
    known = np.isfinite(x) & np.isfinite(y)
    n = int(np.count_nonzero(known))
    if n < 5:
        raise InputError(
            f"pairs: {n}; a rank correlation with an interval needs at least 5 systems"
        )
    x, y = (ranks - ranks.mean() for ranks in (rankdata(x[known]), rankdata(y[known])))
    if not (np.any(x) and np.any(y)):
        raise InputError("pairs: one quantity has the same value in every system; leave it out")
    y /= np.linalg.norm(x) * np.linalg.norm(y)

    def correlation(ranks: FloatArray, axis: int = -1) -> FloatArray:
        return np.asarray(np.sum(ranks * y, axis=axis))

    rho = float(correlation(x))
    test = permutation_test(
        (x,), correlation, permutation_type="pairings", n_resamples=2000, vectorized=True, rng=seed
    )
    # z of a perfect order is infinite: take it half way to the next best one
    nearly_perfect = 1 - 6 / (n * (n**2 - 1))
    z = np.arctanh(np.clip(rho, -nearly_perfect, nearly_perfect))
    half_width = norm.ppf(0.975) * np.sqrt((1 + rho**2 / 2) / (n - 3))
    return RankCorrelation(
        coefficient=rho,
        interval=(
            min(rho, float(np.tanh(z - half_width))),
            max(rho, float(np.tanh(z + half_width))),
        ),
        p_value=float(test.pvalue),
        n=n,
    )
