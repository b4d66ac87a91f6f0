"""The words of the ``graphcond`` command: options in, or one line that refuses them."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from typing import NoReturn, final, get_type_hints

from jsonargparse import ArgumentParser

from graphcond import __version__
from graphcond.cli import options

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


def parsed(words: Sequence[str]) -> tuple[str, dict[str, object]]:
    """Return the command and its options.

    Args:
        words: Words after ``graphcond``.

    Returns:
        A key of ``COMMANDS``, and its options by name.
    """
    chosen = parser().parse_args(_spelled(words))
    name: str = chosen.subcommand
    given = {key: value for key, value in vars(chosen[name]).items() if key != "config"}
    # shells leave `--out=~/run` as it is, and files of options know no shell
    return name, {
        key: os.path.expanduser(value) if isinstance(value, str) else value
        for key, value in given.items()
    }
