"""`python -m edgetender_scoring`: the same as the command `edgetender-scoring`."""

import sys

from edgetender_scoring.cli import main

sys.exit(main())
