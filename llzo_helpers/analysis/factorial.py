"""Crossover: how much of a diffusivity is due to the structure, and how much to the potential.

The paper's experiment: every structure is run with every potential. Two structure origins A, B
and two potentials a, b form a factorial design in ln D. The same structure serves both
potentials, so the spread between structures cancels in the effect of the potential, but not in
that of the structure: a split-plot design (Fisher 1925; Cox and Reid, The Theory of the Design
of Experiments, 2000, section 6).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtri, stdtrit

from llzo_helpers.arrays import FloatArray
from llzo_helpers.errors import InputError


@dataclass(frozen=True)
class Effect:
    """A difference of ln D, that is, a factor in D."""

    value: float
    std: float
    """Standard error."""
    degrees_of_freedom: float
    """Of `std`; infinite where it is propagated from the errors of D."""

    @property
    def factor(self) -> float:
        """Ratio of diffusivities."""
        return float(np.exp(self.value))

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Confidence interval of `value` (Student's t)."""
        half = float(stdtrit(self.degrees_of_freedom, (1 + level) / 2)) * self.std
        return self.value - half, self.value + half

    def factor_interval(self, level: float = 0.95) -> tuple[float, float]:
        """Confidence interval of `factor`."""
        low, high = self.interval(level)
        return float(np.exp(low)), float(np.exp(high))


@dataclass(frozen=True)
class FactorialDecomposition:
    """Effects on ln D of going from A to B and from a to b.

    Attributes
    ----------
    structure
        From structures of A to those of B, mean over both potentials.
    potential
        From running with a to running with b, mean over both kinds of structure.
    interaction
        By how much the effect of the potential is larger in B than in A; 0 if structure and
        potential act independently, so that D is a product of two factors.
    replicas
        Number of structures of A and of B.
    from_spread
        Whether the errors come from the spread between structures. With one structure of a kind
        they are propagated from the errors of D and do not include that spread.
    """

    structure: Effect
    potential: Effect
    interaction: Effect
    replicas: tuple[int, int]
    from_spread: bool


def decompose(
    D_of_A: ArrayLike, std_of_A: ArrayLike, D_of_B: ArrayLike, std_of_B: ArrayLike
) -> FactorialDecomposition:
    """Split ln D into the effects of structure and potential, and their interaction.

    Parameters
    ----------
    D_of_A, std_of_A
        Diffusivities in structures of origin A, and their standard errors, in any common unit,
        [structure, potential], with potentials a, b.
    D_of_B, std_of_B
        The same for origin B.

    Returns
    -------
    FactorialDecomposition

    Raises
    ------
    InputError
        For shapes that do not fit, or diffusivities that are not positive.

    Notes
    -----
    For each structure i of origin s, m = (ln D_a + ln D_b) / 2 and d = ln D_b - ln D_a. Then

        structure   = mean m of B - mean m of A
        potential   = (mean d of A + mean d of B) / 2
        interaction = mean d of B - mean d of A

    With two structures or more of each origin, errors come from the scatter of m and of d,
    pooled over the origins; they include both the spread between structures and the errors of D.
    Otherwise the errors of D are propagated: var(ln D) = (std / D)^2.
    """
    ln_A, var_A = _logarithms("A", D_of_A, std_of_A)
    ln_B, var_B = _logarithms("B", D_of_B, std_of_B)
    means = [ln.mean(axis=1) for ln in (ln_A, ln_B)]
    differences = [ln[:, 1] - ln[:, 0] for ln in (ln_A, ln_B)]
    n_A, n_B = len(ln_A), len(ln_B)
    from_spread = min(n_A, n_B) > 1
    freedom = float(n_A + n_B - 2) if from_spread else np.inf
    if from_spread:
        var_m, var_d = _variance_of_means(means), _variance_of_means(differences)
    else:
        # both m and d come from two independent runs per structure
        sums = [var.sum() / len(var) ** 2 for var in (var_A, var_B)]
        var_m, var_d = sum(sums) / 4, sum(sums)
    (m_A, m_B), (d_A, d_B) = ([float(x.mean()) for x in pair] for pair in (means, differences))
    return FactorialDecomposition(
        structure=Effect(m_B - m_A, float(np.sqrt(var_m)), freedom),
        potential=Effect((d_A + d_B) / 2, float(np.sqrt(var_d / 4)), freedom),
        interaction=Effect(d_B - d_A, float(np.sqrt(var_d)), freedom),
        replicas=(n_A, n_B),
        from_spread=from_spread,
    )


def _logarithms(origin: str, D: ArrayLike, std: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return ln D and its variance, [structure, potential]."""
    values, errors = np.asarray(D, dtype=float), np.asarray(std, dtype=float)
    if values.ndim != 2 or values.shape[1] != 2 or values.shape != errors.shape or not len(values):
        raise InputError(
            f"D_of_{origin}: shape {values.shape}, std {errors.shape}; must both be [structure, "
            "potential] with two potentials"
        )
    if not (values > 0).all() or not (errors >= 0).all():
        raise InputError(
            f"D_of_{origin}: a logarithm needs positive D, and errors that are not negative; run "
            "longer"
        )
    return np.log(values), (errors / values) ** 2


def _variance_of_means(groups: Sequence[FloatArray]) -> float:
    """Variance of the difference (or sum) of two groups' means, from their pooled scatter."""
    freedom = sum(len(group) - 1 for group in groups)
    pooled = sum(((group - group.mean()) ** 2).sum() for group in groups) / freedom
    return float(pooled * sum(1 / len(group) for group in groups))


@dataclass(frozen=True)
class Spread:
    """Standard deviation of ln D between things made alike."""

    std: float
    degrees_of_freedom: int

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Confidence interval of `std` (chi-squared)."""
        tail = (1 - level) / 2
        scaled = self.std * np.sqrt(self.degrees_of_freedom)
        low, high = (scaled / np.sqrt(chdtri(self.degrees_of_freedom, p)) for p in (tail, 1 - tail))
        return float(low), float(high)


def effects_against_first(
    D: Sequence[ArrayLike], std: Sequence[ArrayLike]
) -> tuple[list[Effect], Spread | None]:
    """Compare groups of diffusivities with the first: a one-way layout of ln D.

    Parameters
    ----------
    D, std
        Diffusivities and their standard errors, in any common unit: an array [replica] for each
        group.

    Returns
    -------
    effects
        Difference of the means of ln D of each group after the first, from that of the first. The
        error is from the scatter within groups, pooled over all of them; without replicas it is
        propagated from `std` and does not include such scatter.
    spread
        That scatter; None without replicas.

    Raises
    ------
    InputError
        For diffusivities that are not positive.
    """
    logarithms, variances = [], []
    for values, errors in zip(D, std, strict=True):
        of_group, error = np.asarray(values, dtype=float), np.asarray(errors, dtype=float)
        if of_group.ndim != 1 or not len(of_group) or not (of_group > 0).all():
            raise InputError("D: a logarithm needs one positive D or more in each group")
        logarithms.append(np.log(of_group))
        variances.append(float(((error / of_group) ** 2).mean()) / len(of_group))
    freedom = sum(len(values) - 1 for values in logarithms)
    spread = None
    if freedom:
        squares = sum(float(((values - values.mean()) ** 2).sum()) for values in logarithms)
        spread = Spread(float(np.sqrt(squares / freedom)), freedom)
        variances = [spread.std**2 / len(values) for values in logarithms]
    effects = [
        Effect(
            float(values.mean() - logarithms[0].mean()),
            float(np.sqrt(variance + variances[0])),
            float(freedom) if freedom else np.inf,
        )
        for values, variance in zip(logarithms[1:], variances[1:], strict=True)
    ]
    return effects, spread


def mean_effect(ln_ratios: ArrayLike) -> Effect:
    """Return the mean of changes of ln D that were measured in several runs, [run].

    The error is from their spread; it is unknown (NaN) for a single one.
    """
    values = np.asarray(ln_ratios, dtype=float)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise InputError("ln_ratios: must be one finite number or more")
    std = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return Effect(float(values.mean()), float(std), float(len(values) - 1))
