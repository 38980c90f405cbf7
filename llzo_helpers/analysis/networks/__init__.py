"""Networks of jumps: order parameter, connectivity, and their uncertainties."""
