"""Vibrational density of states, from velocities or positions a few femtoseconds apart."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy  # signal is loaded at first use: it is slow, and reading parameters does without
from numpy.typing import ArrayLike, NDArray
from scipy.constants import Avogadro, Boltzmann, speed_of_light
from scipy.fft import next_fast_len, rfft, rfftfreq

from llzo_helpers.arguments import check_number, checked_numbers, checked_trajectory
from llzo_helpers.arrays import FloatArray
from llzo_helpers.errors import InputError

THZ_TO_WAVENUMBER = 1e12 / (100 * speed_of_light)  # 1 THz in cm^-1
BOLTZMANN = Boltzmann * Avogadro / 10  # u Å2/ps2 per K
HANN_BANDWIDTH = 1.5  # equivalent noise bandwidth of a Hann window, in 1/duration
ATOMS_AT_ONCE = 16
_LARGEST_MASS = 500.0  # u


@dataclass(frozen=True)
class VibrationalDensityOfStates:
    """Vibrational density of states of some atoms.

    Attributes
    ----------
    frequencies_THz : ndarray, shape [frequency]
        THz, from 0 to half the sampling rate.
    density : ndarray, shape [frequency]
        States per THz; its integral is the number of degrees of freedom.
    standard_error : ndarray, shape [frequency]
        Of `density`, from the segments; NaN if there is only one.
    resolution_THz : float
        THz: equivalent noise bandwidth of the window.
    mean_frequency_THz, mean_frequency_std_THz : float
        First moment of `density` over its integral, and its standard error from the
        segments, THz.
    segments : int
        Number of segments.
    """

    frequencies_THz: FloatArray
    density: FloatArray
    standard_error: FloatArray
    resolution_THz: float
    mean_frequency_THz: float
    mean_frequency_std_THz: float
    segments: int

    @property
    def degrees_of_freedom(self) -> float:
        """Integral of `density`: three per atom, if the motion is at the given temperature."""
        return float(np.trapezoid(self.density, self.frequencies_THz))


def frames_needed(resolution_THz: float, time_step_fs: float) -> int:
    """Return how many frames, `time_step_fs` fs apart, resolve `resolution_THz` THz."""
    return int(np.ceil(HANN_BANDWIDTH / (resolution_THz * time_step_fs * 1e-3) * (1 - 1e-12)))


def vibrational_density_of_states(
    velocities: NDArray[Any],
    masses: ArrayLike,
    *,
    time_step_fs: float,
    temperature_K: float,
    resolution_THz: float = 0.5,
    highest_frequency_THz: float = 40.0,
) -> VibrationalDensityOfStates:
    """Return the density of states: the power spectrum of mass-weighted velocities.

    It is the Fourier transform of the velocity autocorrelation (Wiener and Khinchin), as
    an average over segments that overlap by half (Welch, IEEE Trans. Audio Electroacoust.
    15, 70 (1967)). Each segment is multiplied by a Hann window, as long as the resolution
    requires, and zero-padded to at least twice its length, so that a peak can be located
    between the points of the bare transform; zeros add points, not resolution. With
    S_j the one-sided power spectrum of the velocity of atom j, normalised to its mean
    square,

        g(f) = sum_j m_j S_j(f) / (k T).

    At zero frequency it shows diffusion, D = k T g(0) / (12 N m) for N atoms of one kind.

    Parameters
    ----------
    velocities : ndarray, shape [frame, atom, axis]
        Å/ps. It may be memory-mapped: a few atoms are read at a time.
    masses : array_like, shape [atom]
        u.
    time_step_fs : float
        Between frames, fs.
    temperature_K : float
        K, of the thermostat.
    resolution_THz : float
        THz.
    highest_frequency_THz : float
        Above any vibration, THz. Frames must be close enough in time to resolve it; otherwise
        it is aliased to a lower frequency.

    Raises
    ------
    InputError
        Mismatched shapes, or frames too few for the resolution or too far apart.
    """
    frequencies_THz, spectra = _power_spectra(
        velocities, masses, time_step_fs, temperature_K, resolution_THz, highest_frequency_THz
    )
    return _density_of_states(frequencies_THz, spectra, time_step_fs, resolution_THz)


def vibrational_density_of_states_from_positions(
    positions: NDArray[Any],
    masses: ArrayLike,
    *,
    time_step_fs: float,
    temperature_K: float,
    resolution_THz: float = 0.5,
    highest_frequency_THz: float = 40.0,
) -> VibrationalDensityOfStates:
    """Return the density of states from unwrapped positions instead of velocities.

    The difference of two frames divided by their time step is the velocity half way between
    them, except for a factor, which for an oscillation of frequency f is exactly
    sin(pi f dt) / (pi f dt). The spectrum is divided by its square.

    Parameters
    ----------
    positions : ndarray, shape [frame, atom, axis]
        Unwrapped, Å.
    masses, time_step_fs, temperature_K, resolution_THz, highest_frequency_THz
        As for `vibrational_density_of_states`.

    Raises
    ------
    InputError
        As `vibrational_density_of_states`.
    """
    check_number("time_step_fs", time_step_fs, "the time between frames in fs", low=1e-3, high=1e4)
    positions = checked_trajectory(positions)
    frequencies_THz, spectra = _power_spectra(
        np.diff(positions, axis=0) / np.float32(time_step_fs * 1e-3),
        masses,
        time_step_fs,
        temperature_K,
        resolution_THz,
        highest_frequency_THz,
    )
    spectra /= np.square(np.sinc(frequencies_THz * time_step_fs * 1e-3))
    return _density_of_states(frequencies_THz, spectra, time_step_fs, resolution_THz)


def _power_spectra(
    velocities: NDArray[Any],
    masses: ArrayLike,
    time_step_fs: float,
    temperature_K: float,
    resolution_THz: float,
    highest_frequency_THz: float,
) -> tuple[FloatArray, FloatArray]:
    """Return frequencies [frequency], THz, and spectra [segment, frequency] in units of k T."""
    velocities = checked_trajectory(velocities, "velocities")
    mass = checked_numbers("masses", masses).astype(float)
    if velocities.shape[1:] != (mass.size, 3):
        raise InputError(
            f"velocities: shape {velocities.shape}; give [frame, atom, axis] for {mass.size} masses"
        )
    if not ((mass > 0) & (mass < _LARGEST_MASS)).all():
        raise InputError(f"masses: {mass.min():g} to {mass.max():g} u; give those of the atoms")
    check_number("time_step_fs", time_step_fs, "the time between frames in fs", low=1e-3, high=1e4)
    check_number("temperature_K", temperature_K, "the temperature of the run", low=1e-3, high=1e6)
    check_number("resolution_THz", resolution_THz, "a width of peaks", low=1e-4, high=1e3)
    check_number("highest_frequency_THz", highest_frequency_THz, "a frequency", low=1e-3, high=1e6)
    interval = time_step_fs * 1e-3  # ps
    if 0.5 / interval < highest_frequency_THz:
        raise InputError(
            f"time_step_fs: {time_step_fs:g} fs between frames; give at most "
            f"{500 / highest_frequency_THz:g} fs to see {highest_frequency_THz:g} THz"
        )
    n_frames = len(velocities)
    length = frames_needed(resolution_THz, time_step_fs)
    if n_frames < length:
        raise InputError(
            f"velocities: {n_frames} frames; {resolution_THz:g} THz takes at least {length} frames "
            f"of {time_step_fs:g} fs: run longer, or ask for "
            f"{resolution_THz * length / n_frames:.2g} THz"
        )
    window = scipy.signal.windows.hann(length, sym=False).astype(np.float32)
    padded = _padded(length)
    starts = np.arange(0, n_frames - length + 1, max(length // 2, 1))
    spectra = np.zeros((len(starts), padded // 2 + 1))
    for first in range(0, len(mass), ATOMS_AT_ONCE):
        some = slice(first, first + ATOMS_AT_ONCE)
        # [atom, axis, frame], contiguous in time
        series = np.ascontiguousarray(velocities[:, some].transpose(1, 2, 0), dtype=np.float32)
        for segment, start in enumerate(starts):
            amplitude = rfft(series[:, :, start : start + length] * window, padded)
            power = np.square(amplitude.real) + np.square(amplitude.imag)
            spectra[segment] += mass[some] @ power.sum(axis=1, dtype=float)
    spectra *= 2 * interval / np.sum(np.square(window, dtype=float)) / (BOLTZMANN * temperature_K)
    return rfftfreq(padded, interval), spectra


def _padded(length: int) -> int:
    return 2 * next_fast_len(length, real=True)


def _density_of_states(
    frequencies_THz: FloatArray, spectra: FloatArray, time_step_fs: float, resolution_THz: float
) -> VibrationalDensityOfStates:
    """Average the spectra [segment, frequency] of the segments."""
    length, segments = frames_needed(resolution_THz, time_step_fs), len(spectra)
    means = np.sum(spectra * frequencies_THz, axis=1) / np.sum(spectra, axis=1)
    error, mean_error = np.full(len(frequencies_THz), np.nan), np.nan
    if segments > 1:
        error = spectra.std(axis=0, ddof=1) / np.sqrt(segments)
        mean_error = float(means.std(ddof=1) / np.sqrt(segments))
    return VibrationalDensityOfStates(
        frequencies_THz=frequencies_THz,
        density=spectra.mean(axis=0),
        standard_error=error,
        resolution_THz=HANN_BANDWIDTH / (length * time_step_fs * 1e-3),
        mean_frequency_THz=float(means.mean()),
        mean_frequency_std_THz=mean_error,
        segments=segments,
    )
