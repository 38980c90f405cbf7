"""Figures: data in, plotly figure out. One module a figure of the paper, and a few of our own."""
