"""Campaigns: their runs, and the tables made from these."""
