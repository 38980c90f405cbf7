"""Networks of jumps: order parameter, connectivity, and how sure they are."""
