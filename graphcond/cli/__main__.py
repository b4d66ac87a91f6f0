"""``python -m graphcond.cli`` is the ``graphcond`` command."""

import sys

from graphcond.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
