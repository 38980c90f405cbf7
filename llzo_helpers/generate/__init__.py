"""Stage 01: crystals, melts, glasses."""
