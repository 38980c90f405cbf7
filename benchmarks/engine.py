"""What the batch engine costs: wall time of a campaign against the time spent inside LAMMPS.

    python benchmarks/engine.py [PS [RUNS]]

RUNS runs (default 4) of one cell, PS ps each (default 75, more than a minute on most machines), on
all cores, with the notebooks that every campaign has (01 to 03) and the report; not those of the
site and order analyses, whose time is their own. The ratio is 1 if the cores did nothing but
LAMMPS; what is done once for a campaign counts for less the more runs it has.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from llzo_helpers.files import read_json
from llzo_helpers.jobs.cpus import usable_cpus


def main() -> None:
    production = float(sys.argv[1]) if len(sys.argv) > 1 else 75.0
    n_runs = int(sys.argv[2]) if len(sys.argv) > 2 else 4
    campaign = {
        "description": "Cost of the batch engine",
        "seed": 1,
        "md": {
            "equilibration_ps": 5,
            "production_ps": production,
            "frame_interval_fs": 50,
            "segment_ps": 25,
        },
        "systems": [
            {
                "phase": "crystal",
                "li_per_formula": 6.25,
                "volume_ratio": 1.01,
                "md_potential": "bush1994_woodley1999",
                # never 1100 K, at which sites would be analysed
                "temperature_K": [910 + 50 * k for k in range(n_runs)],
            }
        ],
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "engine.yaml"
        path.write_text(yaml.safe_dump(campaign))
        began = time.monotonic()
        subprocess.run(
            [sys.executable, "-m", "llzo_helpers", "run", str(path)],
            env={**os.environ, "LLZO_RESULTS": folder},
            check=True,
        )
        wall = time.monotonic() - began
        summaries = [read_json(p) for p in Path(folder).glob("engine/runs/*/summary.json")]
    lammps = sum(summary["lammps_seconds"] for summary in summaries)
    cores = min(usable_cpus(), len(summaries))
    print(f"{len(summaries)} runs of {lammps / len(summaries):.0f} s on {cores} cores")
    print(
        f"wall {wall:.0f} s, LAMMPS {lammps:.0f} s, wall / (LAMMPS / cores) = "
        f"{wall / (lammps / cores):.3f}"
    )


if __name__ == "__main__":
    main()
