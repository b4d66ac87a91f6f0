"""The ``graphcond`` command: parse, then import the one command that runs."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: Words after ``graphcond``; None takes them from the shell.

    Returns:
        The exit status: 0 success, 2 bad input (one line on stderr), 130 interrupted.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # an ASCII terminal has no ±
    goes_on = False
    try:
        # Importing takes seconds, in which Ctrl-C must end in a line, too.
        from graphcond.cli.parsing import COMMANDS, parsed

        try:
            name, values = parsed(sys.argv[1:] if arguments is None else arguments)
        except (UnicodeError, ValueError, TypeError, LookupError, OSError, RecursionError) as error:
            # jsonargparse ends with status 2 on wrong options, but not on every file of options
            told = str(error).partition("\n")[0]
            print(f"graphcond: The options cannot be read: {told}. Mend the file.", file=sys.stderr)
            return 2
        kept = values.get("out") is not None or values.get("storage") is not None
        goes_on = kept and name in ("condense", "compare", "search")
        return _run(name, COMMANDS[name](**values))
    except BrokenPipeError:  # `graphcond datasets | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        told = "run it again to go on from where it was kept" if goes_on else "nothing was kept"
        print(f"graphcond: interrupted; {told}", file=sys.stderr)
        return 130


def _run(name: str, options: object) -> int:
    from graphcond.cli.endings import warnings_as_lines
    from graphcond.errors import GraphcondError

    try:
        run = import_module(f"graphcond.cli.{name}").run
        with warnings_as_lines():
            run(options)
    except GraphcondError as error:
        print(f"graphcond: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
