"""Sites of mobile ions, the jumps between them, their network and volumes.

Where to start: `landmark_analysis` finds the sites of a trajectory and assigns the ions to them
(for several definitions of a site, `sites_of_vectors` with one `LandmarkVectors.of_trajectory`);
`find_stays` and `jump_statistics` turn this into residence times and rates; `site_network`,
`percolation` and `superbasins` describe how the sites connect, `static_site_volumes` and
`accessible_volumes` how large they are, and `jump_diffusion` what this means for diffusion;
`probability_density` gives the density of the ions.
"""

from llzo_helpers.analysis.frames import Frames
from llzo_helpers.analysis.sites.analysis import (
    UNASSIGNED,
    SiteAnalysis,
    landmark_analysis,
    sites_of_vectors,
)
from llzo_helpers.analysis.sites.density import (
    ProbabilityDensity,
    Surface,
    isosurface,
    probability_density,
    value_of_nearest_site,
)
from llzo_helpers.analysis.sites.jumps import (
    BackJumps,
    JumpStatistics,
    Stays,
    Survival,
    back_jumps,
    find_stays,
    jump_statistics,
    jump_table,
    kaplan_meier,
)
from llzo_helpers.analysis.sites.kinetics import (
    JumpDiffusion,
    flux_path,
    jump_diffusion,
    network_diffusion,
)
from llzo_helpers.analysis.sites.landmark_vectors import LandmarkVectors
from llzo_helpers.analysis.sites.landmarks import Landmarks, voronoi_landmarks
from llzo_helpers.analysis.sites.network import (
    PercolatingCluster,
    Superbasins,
    SuperbasinScan,
    critical_rate,
    hop_vectors,
    percolation,
    site_network,
    superbasin_scan,
    superbasins,
)
from llzo_helpers.analysis.sites.site_types import (
    coordination_types,
    oxygen_coordination,
    wyckoff_positions,
    wyckoff_types,
)
from llzo_helpers.analysis.sites.volumes import (
    AccessibleVolumes,
    ExploredPositions,
    accessible_volumes,
    explored_positions,
    hull_volume,
    polyhedron_volumes,
    radical_voronoi_volumes,
    static_site_volumes,
)

__all__ = [
    "UNASSIGNED",
    "AccessibleVolumes",
    "BackJumps",
    "ExploredPositions",
    "Frames",
    "JumpDiffusion",
    "JumpStatistics",
    "LandmarkVectors",
    "Landmarks",
    "PercolatingCluster",
    "ProbabilityDensity",
    "SiteAnalysis",
    "Stays",
    "SuperbasinScan",
    "Superbasins",
    "Surface",
    "Survival",
    "accessible_volumes",
    "back_jumps",
    "coordination_types",
    "critical_rate",
    "explored_positions",
    "find_stays",
    "flux_path",
    "hop_vectors",
    "hull_volume",
    "isosurface",
    "jump_diffusion",
    "jump_statistics",
    "jump_table",
    "kaplan_meier",
    "landmark_analysis",
    "network_diffusion",
    "oxygen_coordination",
    "percolation",
    "polyhedron_volumes",
    "probability_density",
    "radical_voronoi_volumes",
    "site_network",
    "sites_of_vectors",
    "static_site_volumes",
    "superbasin_scan",
    "superbasins",
    "value_of_nearest_site",
    "voronoi_landmarks",
    "wyckoff_positions",
    "wyckoff_types",
]
