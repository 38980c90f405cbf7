"""The shortest run that has everything: half a picosecond in five segments."""

from llzo_helpers.generate.settings import Structure
from llzo_helpers.md.settings import MDSettings

SHORT = MDSettings(equilibration_ps=0.1, production_ps=0.4, segment_ps=0.1, frame_interval_fs=10)
STRUCTURE = Structure(li_per_formula=6.25, volume_ratio=1.01, replica=2)
