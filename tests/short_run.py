"""Settings of the shortest run that has everything: half a picosecond in five segments."""

from llzo_helpers.md.settings import MDSettings

SHORT = MDSettings(equilibration_ps=0.1, production_ps=0.4, segment_ps=0.1, frame_interval_fs=10)
