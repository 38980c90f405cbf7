"""`python -m llzo_helpers`: the command `llzo`."""

import sys

from llzo_helpers.jobs.cli import main

if __name__ == "__main__":
    sys.exit(main())
