"""How a network of jumps conducts: components, conductance, relaxation; what predicts D.

Functions take the graph of `llzo_helpers.analysis.sites.site_network`, whose nodes have an
`occupancy` and whose edges a `rate` (1/ps) and a `vector` (Å). In equilibrium, equally many jumps
go along an edge in both directions, so that it has one conductance
c_ij = (p_i k_ij + p_j k_ji) / 2, the number of jumps along it per time; counted jumps differ in
the two directions by noise, which the mean reduces. The number of directions in which the network
percolates comes from `llzo_helpers.analysis.sites.percolation`.
"""

from dataclasses import dataclass
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import eigvalsh
from scipy.stats import norm, permutation_test, rankdata

from llzo_helpers.analysis.periodic import checked_cell
from llzo_helpers.analysis.sites.kinetics import ANGSTROM2_PER_PS, network_diffusion
from llzo_helpers.arrays import FloatArray
from llzo_helpers.errors import InputError


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
        and without memory.
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
        Probability of at least this ``|rho|`` if the two were independent (permutations).
    n : int
        Number of pairs.
    """

    coefficient: float
    interval: tuple[float, float]
    p_value: float
    n: int


def largest_component_fraction(graph: "nx.DiGraph[Any]") -> float:
    """Return the fraction of sites in the largest part connected by jumps in any direction."""
    _check_network(graph)
    return max(map(len, nx.weakly_connected_components(graph))) / len(graph)


def algebraic_connectivity(graph: "nx.DiGraph[Any]") -> float:
    """Return the rate at which the largest component loses memory of where an ion was, 1/ps.

    It is the second smallest eigenvalue of the Laplacian of the conductances, relative to
    the occupancies: L x = lambda diag(p) x. With occupancies of 1 it is Fiedler's algebraic
    connectivity (Czech. Math. J. 23, 298 (1973)). It is inversely proportional to the
    square of the cell size, because diffusion over longer distances takes longer: compare cells
    of the same size.

    Raises
    ------
    InputError
        A graph without edges.
    """
    _check_network(graph)
    component = max(nx.weakly_connected_components(graph), key=len)
    occupancies, conductances, _ = _conductances(graph.subgraph(component))
    scale = 1 / np.sqrt(occupancies)
    laplacian = np.diag(conductances.sum(axis=1)) - conductances
    scaled = laplacian * scale * scale[:, None]
    return float(eigvalsh(scaled, subset_by_index=[1, 1])[0])


def effective_conductance(graph: "nx.DiGraph[Any]", cell: ArrayLike) -> Conductance:
    """Return the effective conductance of the periodic network in every direction.

    A uniform field drives a current; potentials u at the sites adjust until inflow and
    outflow balance. Along axes a and b, with v the vectors of the edges,

        G_ab = 1/V * sum_(i<j) c_ij (v_ija + u_ja - u_ia) (v_ijb + u_jb - u_ib),

    minimised over all u (Dirichlet's principle). For ions that move independently on the
    network, the tracer diffusion coefficient is D = G V / (number of ions), which is the
    homogenised diffusion coefficient of a reversible random walk.

    Parameters
    ----------
    graph : networkx.DiGraph
        From `llzo_helpers.analysis.sites.site_network`.
    cell : array_like, shape [vector, axis]
        Å.

    Raises
    ------
    InputError
        A graph without edges, or a cell without a volume.
    """
    _check_network(graph)
    volume = abs(float(np.linalg.det(checked_cell(cell))))
    occupancies, conductances, vectors = _conductances(graph)
    total = network_diffusion(conductances, vectors)[0]
    # where nothing percolates, only rounding errors remain
    scale = np.einsum("ij,ijx,ijx", conductances, vectors, vectors)
    total[np.abs(total) < 1e-12 * scale] = 0.0
    return Conductance(
        tensor=total / volume, diffusivity=total / occupancies.sum() * ANGSTROM2_PER_PS
    )


def rank_correlation(first: ArrayLike, second: ArrayLike, *, seed: int = 0) -> RankCorrelation:
    """Return Spearman's rank correlation with a confidence interval.

    The interval is that of D. G. Bonett and T. A. Wright, Psychometrika 65, 23 (2000), from
    Fisher's z with the variance (1 + rho^2 / 2) / (n - 3).

    Parameters
    ----------
    first, second : array_like, shape [pair]
        The two quantities; pairs with a NaN are left out.
    seed : int
        Of the permutations; if there are few, all are used.

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
    # z of a perfect correlation is infinite: put it half way to the next best one
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


def _check_network(graph: "nx.DiGraph[Any]") -> None:
    if graph.number_of_edges() == 0:
        raise InputError(
            "graph: no edge between any two sites; give the network of a longer or a hotter "
            "trajectory, in which ions jump"
        )


def _conductances(graph: "nx.DiGraph[Any]") -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return occupancies [site], conductances [site, site], vectors [site, site, axis]."""
    number = {site: index for index, site in enumerate(graph)}
    occupancies = np.array([graph.nodes[site]["occupancy"] for site in graph], dtype=float)
    conductances = np.zeros((len(graph), len(graph)))
    vectors = np.zeros((len(graph), len(graph), 3))
    for source, target, data in graph.edges(data=True):
        i, j = number[source], number[target]
        one_way = occupancies[i] * data["rate"] / 2
        conductances[i, j] += one_way
        conductances[j, i] += one_way
        vectors[i, j], vectors[j, i] = data["vector"], -np.asarray(data["vector"])
    return occupancies, conductances, vectors
