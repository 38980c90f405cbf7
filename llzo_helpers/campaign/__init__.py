"""Campaigns: their runs, and the tables made of them."""
