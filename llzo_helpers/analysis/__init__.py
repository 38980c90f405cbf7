"""Analyses of trajectories and networks of any material: arrays in, small results out."""
