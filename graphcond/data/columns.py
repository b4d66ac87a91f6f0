"""Which column of a table means what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from numbers import Real

from graphcond.errors import FileFormatError, require

USUAL = {
    "user": ("user", "user_id", "userid", "uid", "u", "customer", "customer_id", "visitor_id"),
    "item": (
        "item",
        "item_id",
        "itemid",
        "iid",
        "i",
        "movie_id",
        "movieid",
        "book_id",
        "isbn",
        "artist_id",
        "artistid",
        "track_id",
        "business_id",
        "product",
        "product_id",
        "article_id",
        "asin",
        "parent_asin",
    ),
    "rating": ("rating", "ratings", "stars", "score", "overall", "book_rating"),
    "weight": ("weight", "edge_weight"),
    "time": ("timestamp", "time", "date", "datetime", "unix_time", "ts", "t_dat"),
    "split": ("split",),
}
"""Names by which a column is found where none is given."""


@dataclass(frozen=True)
class Columns:
    """Names of the columns of a table of interactions, and what to do with ratings.

    Args:
        user: Column of users. None looks for a usual name: user, user_id, customer_id, …
        item: Column of items: item, item_id, movieId, product_id, …
        rating: Column of ratings: rating, stars, score, …; "" takes none.
        time: Column of time stamps: timestamp, time, date, …; "" takes none.
        weight: Column of weights: weight; "" takes none.
        min_rating: Rows with a lower rating are left out. None keeps all, whatever their rating.

    A table without a header has columns "1", "2", …; users and items are then the first two.
    """

    user: str | None = None
    item: str | None = None
    rating: str | None = None
    time: str | None = None
    weight: str | None = None
    min_rating: float | None = None

    def __post_init__(self) -> None:
        for kind in ("user", "item"):
            require(
                getattr(self, kind) != "",
                f"The column of {kind}s cannot be left out. Name it, or leave `{kind}` away.",
            )
        level = self.min_rating
        require(
            level is None or (isinstance(level, Real) and level == level),
            f"`min_rating` must be a number, but it is {level!r}. Lower ratings are left out.",
        )

    def find(self, names: Sequence[str], path: str) -> dict[str, int]:
        """Return the place of each column that there is.

        Args:
            names: The names in the header.
            path: The table, for messages.

        Returns:
            Places by kind: user and item, perhaps rating, weight, time and split.

        Raises:
            FileFormatError: If users or items are nowhere, or two columns claim to be one thing.
            InputError: If a column that was asked for is not there.

        Example:
            >>> Columns(time="when").find(["when", "userId", "movieId"], "a.csv")
            {'user': 1, 'item': 2, 'time': 0}
        """
        plain = [plainly(name) for name in names]
        places: dict[str, int] = {}
        for kind, usual in USUAL.items():
            wanted = getattr(self, kind, None)
            if wanted == "":
                continue
            if wanted is not None:
                places[kind] = _named(wanted, names, plain, kind, path)
                continue
            known = {plainly(name) for name in usual}
            found = [i for i, name in enumerate(plain) if name in known]
            option = ""
            if kind != "split":
                option = f" Say which with `{kind}` (--{kind})."
            require(
                len(found) < 2,
                f"The header of {path!r} has several columns of the {kind}:"
                f" {', '.join(repr(names[i].strip()) for i in found)}.{option}",
                error=FileFormatError,
            )
            if found:
                places[kind] = found[0]
        for place in sorted(set(places.values())):
            kinds = [kind for kind, other in places.items() if other == place]
            require(
                len(kinds) == 1,
                f"The column {names[place].strip()!r} of {path!r} cannot be {' and '.join(kinds)}"
                " at once. Name another one.",
            )
        if self.min_rating is not None:
            require(
                "rating" in places,
                f"{path!r} has no column of ratings to compare with `min_rating`, only"
                f" {', '.join(map(repr, names))}. Name it with `rating` (--rating).",
                error=FileFormatError,
            )
        return places


def check_found(kind: str, places: Mapping[str, int], names: Sequence[str], path: str) -> None:
    """Raise unless a table has the column of the users or the items.

    Args:
        kind: ``"user"`` or ``"item"``.
        places: What :meth:`Columns.find` found.
        names: All columns.
        path: The table's name in messages.
    """
    require(
        kind in places,
        f"{path!r} has no column that is known to hold the {kind}s; its header is"
        f" {', '.join(repr(name.strip()) for name in names)}. Name the column with `{kind}`"
        f" (--{kind}), or write a header.",
        error=FileFormatError,
    )


def plainly(name: str) -> str:
    """Return a column's name as names are compared: lower case, without RecBole's type.

    Args:
        name: As in the header.

    Returns:
        For example ``"userid"`` for ``"User-ID"`` and ``"user_id:token"``.
    """
    bare = name.strip().strip('"').strip().lower().split(":")[0]
    return bare.replace("-", "").replace("_", "").replace(" ", "")


def _named(wanted: str, names: Sequence[str], plain: Sequence[str], kind: str, path: str) -> int:
    """Return the place of the column that was asked for."""
    exact = [i for i, name in enumerate(names) if name.strip().strip('"') == wanted.strip()]
    like = [i for i, name in enumerate(plain) if name == plainly(wanted)]
    found = exact or like
    near = get_close_matches(wanted, [name.strip() for name in names], n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    require(
        len(found) > 0,
        f"{path!r} has no column {wanted!r} for the {kind}; it has"
        f" {', '.join(repr(name.strip()) for name in names)}.{hint}",
    )
    require(
        len(found) == 1,
        f"{path!r} has {len(found)} columns called {wanted!r}. Rename all but one.",
        error=FileFormatError,
    )
    return found[0]
