"""``python -m iclight_local.cli`` is ``iclight``."""

import sys

from iclight_local.cli import main

sys.exit(main())
