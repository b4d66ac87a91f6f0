"""The ``graphcond`` command: parse, then import the one command that runs."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn, final, get_type_hints

from jsonargparse import ArgumentParser, Namespace

from graphcond import __version__
from graphcond.cli import options
from graphcond.cli.endings import warnings_as_lines

COMMANDS = {
    "condense": options.Condense,
    "evaluate": options.Evaluate,
    "compare": options.Compare,
    "search": options.Search,
    "info": options.Info,
    "datasets": options.Datasets,
    "methods": options.Methods,
}


@final
class OneLineParser(ArgumentParser):
    """A parser that refuses options in one line, as the commands refuse data."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """End with status 2.

        Args:
            message: What jsonargparse says, over several lines.
            ex: What it comes from.
        """
        parser = getattr(ex, "subcommand_parser", None) or self
        command = parser.prog.replace(" [options]", "")
        print(f"graphcond: {_refusal(message)} See `{command} --help`.", file=sys.stderr)
        self.exit(2)


def _refusal(message: str) -> str:
    """Return an error of jsonargparse as a sentence: of several lines the option and its value."""
    key = re.search(r'key "([^"]+)"', message)
    value = re.search(r"(?:Given value|Got value): (.*)", message)
    if key and value:
        return f"--{key[1]} cannot be {value[1]!r}."
    told = re.sub(r'^Parser key "([^"]+)"', r"--\1", message.partition("\n")[0])
    return re.sub(r"required: \w+\.", "required: ", told).rstrip(".") + "."


def parser() -> OneLineParser:
    """Return the parser of all commands; building it imports neither torch nor ogb."""
    top = OneLineParser(
        prog="graphcond",
        description="Condense graph data sets and say honestly what that cost.",
        version=__version__,
    )
    commands = top.add_subcommands()
    for name, definition in COMMANDS.items():
        summary = " ".join((definition.__doc__ or "").partition("\n\n")[0].split())
        command = OneLineParser(description=summary)
        command.add_argument(
            "--config",
            action="config",
            help="YAML file with these options; --print_config writes one.",
        )
        command.add_class_arguments(definition, as_group=False, as_positional=True)
        commands.add_subcommand(name, command, help=summary)
    return top


ALIASES = {"for": "purpose"}
"""Options whose name Python keeps for itself, and the field that holds them."""


def _spelled(words: Sequence[str]) -> list[str]:
    """Return words as the parser knows them: ``--min-rating 4`` is ``--min_rating 4``, and
    ``--json`` alone is ``--json true``.
    """
    known = {}
    if words and words[0] in COMMANDS:
        known = get_type_hints(COMMANDS[words[0]])
    spelled: list[str] = []
    for place, word in enumerate(words):
        name, equals, value = word.partition("=")
        plain = name[2:].replace("-", "_")
        plain = ALIASES.get(plain, plain)
        if not name.startswith("--") or plain not in known:
            spelled.append(word)
            continue
        spelled.append(f"--{plain}{equals}{value}")
        following = [each.lower() for each in words[place + 1 : place + 2]]
        if known[plain] is bool and not equals and following not in (["true"], ["false"]):
            spelled.append("true")
    return spelled


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
    built = parser()
    if arguments is None:
        arguments = sys.argv[1:]
    try:
        parsed = built.parse_args(_spelled(arguments))
    except (UnicodeError, ValueError, TypeError, LookupError, OSError, RecursionError) as error:
        # jsonargparse ends with status 2 on wrong options, but not on every file of options
        told = str(error).partition("\n")[0]
        print(f"graphcond: The options cannot be read: {told}. Mend the file.", file=sys.stderr)
        return 2
    name = parsed.subcommand
    chosen: Namespace = parsed[name]
    values = {key: value for key, value in vars(chosen).items() if key != "config"}
    from graphcond.errors import GraphcondError

    try:
        # Importing takes seconds, in which Ctrl-C must end in a line, too.
        run = import_module(f"graphcond.cli.{name}").run
        with warnings_as_lines():
            run(COMMANDS[name](**values))
    except GraphcondError as error:
        print(f"graphcond: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # `graphcond datasets | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        kept = values.get("out") is not None or values.get("storage") is not None
        told = "nothing was kept"
        if kept and name in ("condense", "compare", "search"):
            told = "run it again to go on from where it was kept"
        print(f"graphcond: interrupted; {told}", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
