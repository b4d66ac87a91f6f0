"""``python -m graphcond.cli`` is the ``graphcond`` command."""

from graphcond.cli.main import main

if __name__ == "__main__":
    main()
