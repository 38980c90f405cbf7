"""Trajectories of any material from any program, as the analyses take them.

`series` defines a trajectory: frames in order, unwrapped, at a constant interval. `readers` defines
what a reader of a format must provide, there is one module per format, and `formats` chooses.
Nothing here depends on a material or on a run's folder.
"""
