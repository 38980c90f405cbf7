"""Figures: data in, plotly figure out. One module per figure of the paper, and a few more."""
