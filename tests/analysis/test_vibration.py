"""Vibrational density of states of motion whose spectrum is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llzo_helpers.analysis.vibration import (
    BOLTZMANN,
    THZ_TO_WAVENUMBER,
    frames_needed,
    vibrational_density_of_states,
    vibrational_density_of_states_from_positions,
)
from llzo_helpers.errors import InputError

TIME_STEP = 2.0  # fs
MASS = 15.999
AT_800_K = {"time_step_fs": TIME_STEP, "temperature_K": 800.0}


def oscillators(frequencies_THz, n_frames=4000, temperature_K=800.0, seed=0):
    """Return velocities [frame, atom, axis], Å/ps: an oscillator per axis, each at k T."""
    frequencies_THz = np.asarray(frequencies_THz, dtype=float)
    phases = np.random.default_rng(seed).uniform(0, 2 * np.pi, size=frequencies_THz.shape)
    time = np.arange(n_frames)[:, None, None] * TIME_STEP * 1e-3
    amplitude = np.sqrt(2 * BOLTZMANN * temperature_K / MASS)
    return amplitude * np.cos(2 * np.pi * frequencies_THz * time + phases)


def test_boltzmann_constant_in_these_units():
    # R = 8.314 J/(mol K), with 1 u Å2/ps2 = 10 J/mol
    assert pytest.approx(0.8314462618) == BOLTZMANN
    assert pytest.approx(33.35641, rel=1e-6) == THZ_TO_WAVENUMBER


def test_peaks_stand_at_the_frequencies_of_the_oscillators():
    frequencies_THz = [[5.0, 5.0, 5.0], [12.0, 12.0, 12.0], [12.0, 20.0, 20.0]]
    spectrum = vibrational_density_of_states(
        oscillators(frequencies_THz), [MASS] * 3, **AT_800_K, resolution_THz=0.5
    )
    spacing = spectrum.frequencies_THz[1]
    for frequency, states in [(5.0, 3), (12.0, 4), (20.0, 2)]:
        near = np.abs(spectrum.frequencies_THz - frequency) < 2
        peak = spectrum.frequencies_THz[near][np.argmax(spectrum.density[near])]
        assert peak == pytest.approx(frequency, abs=spacing)
        assert np.sum(spectrum.density[near]) * spacing == pytest.approx(states, rel=0.01)
    assert spectrum.degrees_of_freedom == pytest.approx(9, rel=0.01)
    mean = (3 * 5 + 4 * 12 + 2 * 20) / 9
    assert spectrum.mean_frequency_THz == pytest.approx(mean, rel=0.01)
    assert spectrum.mean_frequency_std_THz < 0.02 * mean


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5))
def test_integral_is_the_number_of_degrees_of_freedom(seed, n_atoms):
    frequencies_THz = np.random.default_rng(seed).uniform(3, 30, size=(n_atoms, 3))
    velocities = oscillators(frequencies_THz, n_frames=3000, seed=seed)
    spectrum = vibrational_density_of_states(
        velocities, [MASS] * n_atoms, **AT_800_K, resolution_THz=1.0
    )
    assert spectrum.degrees_of_freedom == pytest.approx(3 * n_atoms, rel=0.03)


def test_is_the_transform_of_the_velocity_autocorrelation():
    """One window: the cosine transform of the windowed velocity's correlation, lag by lag."""
    velocities = oscillators([[4.0, 9.0, 15.0]], n_frames=750)
    spectrum = vibrational_density_of_states(velocities, [MASS], **AT_800_K, resolution_THz=1.0)
    assert spectrum.segments == 1
    window = np.sin(np.pi * np.arange(750) / 750) ** 2
    windowed = velocities[:, 0] * window[:, None]
    lags = np.arange(750)
    correlation = np.array(
        [np.sum(windowed[: 750 - lag] * windowed[lag:]) for lag in lags]
    ) / np.sum(window**2)  # fmt: skip
    weight = np.where(lags == 0, 1, 2)
    cosines = np.cos(2 * np.pi * spectrum.frequencies_THz[:, None] * lags * TIME_STEP * 1e-3)
    expected = cosines @ (weight * correlation) * 2 * TIME_STEP * 1e-3 * MASS
    expected /= BOLTZMANN * 800
    np.testing.assert_allclose(spectrum.density, expected, atol=1e-4 * expected.max())


def test_friction_gives_the_lorentzian_of_diffusion():
    """Ornstein-Uhlenbeck velocities: g(f) = 12 N gamma / (gamma^2 + (2 pi f)^2)."""
    gamma, n_atoms, n_frames, temperature_K = 20.0, 40, 8000, 1000.0
    rng = np.random.default_rng(2)
    decay = np.exp(-gamma * TIME_STEP * 1e-3)
    thermal = np.sqrt(BOLTZMANN * temperature_K / MASS)
    velocities = np.empty((n_frames, n_atoms, 3))
    velocities[0] = rng.normal(scale=thermal, size=(n_atoms, 3))
    kicks = rng.normal(scale=thermal * np.sqrt(1 - decay**2), size=velocities.shape)
    for frame in range(1, n_frames):
        velocities[frame] = decay * velocities[frame - 1] + kicks[frame]
    spectrum = vibrational_density_of_states(
        velocities,
        [MASS] * n_atoms,
        time_step_fs=TIME_STEP,
        temperature_K=temperature_K,
        resolution_THz=1.0,
    )
    low = (spectrum.frequencies_THz > 0) & (spectrum.frequencies_THz < 20)
    expected = 12 * n_atoms * gamma / (gamma**2 + (2 * np.pi * spectrum.frequencies_THz[low]) ** 2)
    np.testing.assert_allclose(spectrum.density[low], expected, rtol=0.15)
    deviation = (spectrum.density[low] - expected) / spectrum.standard_error[low]
    assert np.sqrt(np.mean(deviation**2)) < 1.6
    diffusion = BOLTZMANN * temperature_K * spectrum.density[0] / (12 * n_atoms * MASS)
    assert diffusion == pytest.approx(BOLTZMANN * temperature_K / (MASS * gamma), rel=0.15)


def test_two_peaks_are_told_apart_at_the_resolution_asked_for():
    velocities = oscillators([[10.0, 11.0, 10.0]], n_frames=frames_needed(0.4, TIME_STEP))
    fine = vibrational_density_of_states(velocities, [MASS], **AT_800_K, resolution_THz=0.4)
    at = [np.argmin(np.abs(fine.frequencies_THz - f)) for f in (10.0, 10.5, 11.0)]
    low, between, high = fine.density[at]
    assert between < 0.5 * min(low, high)
    assert fine.resolution_THz == pytest.approx(0.4, rel=0.001)


def test_too_few_frames_says_how_many_are_needed():
    velocities = oscillators([[5.0] * 3], n_frames=1499)
    with pytest.raises(InputError, match=r"1499 frames; 0\.5 THz takes at least 1500 frames") as e:
        vibrational_density_of_states(velocities, [MASS], **AT_800_K, resolution_THz=0.5)
    assert "\n" not in str(e.value)
    one_more = oscillators([[5.0] * 3], n_frames=1500)
    vibrational_density_of_states(one_more, [MASS], **AT_800_K, resolution_THz=0.5)


def test_frames_too_far_apart_are_refused():
    with pytest.raises(InputError, match=r"50 fs between frames; give at most 12\.5 fs"):
        vibrational_density_of_states(
            np.zeros((100, 1, 3)), [MASS], time_step_fs=50, temperature_K=800, resolution_THz=1
        )


@pytest.mark.parametrize(
    ("velocities", "options", "message"),
    [
        (np.zeros((100, 2, 3)), {}, "for 1 masses"),
        (np.zeros((100, 3)), {}, "frame, ion, axis"),
        (np.zeros((100, 1, 3)), {"time_step_fs": 0.0}, "time_step_fs: 0.0; give the time"),
        (np.zeros((100, 1, 3)), {"temperature_K": 0.0}, "temperature_K: 0.0; give the temperature"),
        (np.zeros((100, 1, 3)), {"resolution_THz": -1.0}, "resolution_THz: -1.0; give"),
    ],
)
def test_bad_input(velocities, options, message):
    with pytest.raises(InputError, match=message):
        vibrational_density_of_states(velocities, [MASS], **(AT_800_K | options))


def test_positions_give_what_velocities_give():
    """A chain of frames every 4 fs, and oscillators up to 30 THz: the same density."""
    frequencies_THz = np.array([[4.0, 13.0, 21.0], [27.0, 30.0, 9.0]])
    phases = np.random.default_rng(1).uniform(0, 2 * np.pi, size=(2, 3))
    time = np.arange(3001)[:, None, None] * 4e-3
    amplitude = np.sqrt(2 * BOLTZMANN * 800 / MASS)
    positions = amplitude * np.sin(2 * np.pi * frequencies_THz * time + phases)
    positions /= 2 * np.pi * frequencies_THz
    half_way = time[:-1] + 2e-3
    velocities = amplitude * np.cos(2 * np.pi * frequencies_THz * half_way + phases)
    options = {"time_step_fs": 4.0, "temperature_K": 800, "resolution_THz": 1.0}
    expected = vibrational_density_of_states(velocities, [MASS] * 2, **options)
    # as far from the origin, and with as few digits, as a trajectory on disk
    stored = (positions + 13).astype(np.float32)
    found = vibrational_density_of_states_from_positions(stored, [MASS] * 2, **options)
    peak = expected.density.max()
    np.testing.assert_allclose(found.density, expected.density, atol=0.01 * peak)
    assert found.degrees_of_freedom == pytest.approx(6, rel=0.02)
    for frequency in (27.0, 30.0):
        near = np.abs(expected.frequencies_THz - frequency) < 1.2
        assert found.density[near].sum() == pytest.approx(expected.density[near].sum(), rel=0.01)
