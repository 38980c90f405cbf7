"""Running campaigns: engine, control of single runs, plan, report."""
