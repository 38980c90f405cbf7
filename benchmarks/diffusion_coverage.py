"""Is D with its error what it says? On models of motion whose long-time D is known.

    python benchmarks/diffusion_coverage.py [REPLICAS] [PART OF A NAME ...]

Prints for each model: mean D over the true one, bias in standard deviations of D, that standard
deviation over the mean reported error, how often intervals of 68 and 95 % hold the true D, and
how many runs are flagged by a warning. Where runs are long enough the bias should be below 0.5,
the ratio 1, the intervals what they say and flags rare; where not, flags should be the rule.
"""

import sys
from pathlib import Path

import numpy as np

from llzo_helpers.analysis.diffusion import tracer_diffusion_coefficient

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from diffusion_models import CASES, Case


def assess(case: Case, replicas: int) -> dict[str, float]:
    rows = []
    for seed in range(replicas):
        positions, D = case.make(seed)
        result = tracer_diffusion_coefficient(positions, case.dt)
        true = D * 1e-4
        inside = [low < true < high for low, high in map(result.interval, (0.68, 0.95))]
        rows.append(
            (result.D_cm2_s / true, result.D_std_cm2_s / true, *inside, bool(result.warnings))
        )
    table = np.array(rows, dtype=float)
    value, _, within_68, within_95, flagged = table.mean(axis=0)
    spread = table[:, 0].std(ddof=1)
    return {
        "D / true": value,
        "bias / sd": (value - 1) / spread,
        "sd / error": spread / np.sqrt((table[:, 1] ** 2).mean()),
        "68 %": 100 * within_68,
        "95 %": 100 * within_95,
        "flagged %": 100 * flagged,
    }


def main() -> None:
    replicas = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    wanted = sys.argv[2:]
    for name, case in CASES.items():
        if wanted and not any(part in name for part in wanted):
            continue
        numbers = assess(case, replicas)
        text = "  ".join(f"{key} {number:6.2f}" for key, number in numbers.items())
        print(f"{name:40s} {'' if case.long_enough else '(short) '}{text}", flush=True)


if __name__ == "__main__":
    main()
