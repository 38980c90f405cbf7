"""Trajectories of any material from any program, as the analyses take them.

`series` holds what a trajectory is: frames in order, unwrapped, at a constant interval. `readers`
says what a reader of a format must give, one module a format gives it, and `formats` chooses.
Nothing here knows of a material or of a run's folder.
"""
