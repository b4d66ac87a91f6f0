"""The rows of a delimited text file: where each begins and ends, and whether each is whole.

The values are read by pandas. It is lenient where a table of interactions may not be: it swallows
the rows behind a quote that is never closed, and fills rows that are too short. So the shape of a
file is checked first, and a row that breaks it is named.
"""

from __future__ import annotations

import codecs
import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

from graphcond.errors import FileFormatError, require

if TYPE_CHECKING:
    import pandas

_BOM = codecs.BOM_UTF8
_QUOTE = 34
_NEWLINE = 10
_RETURN = 13
_BLANK = 32
_MARKS = ("\t", ",", ";", "|")
_BLOCK = 1 << 24


@final
@dataclass(frozen=True)
class Records:
    """The rows of one file, the header among them.

    Attributes:
        path: The file, for messages.
        raw: Its bytes.
        start: Where each row begins [R].
        stop: Where each row ends, its line end not counted [R].
        delimiter: What divides the fields; a blank stands for any number of them.
        quoted: Whether quotes have a meaning.
    """

    path: str
    raw: bytes
    start: np.ndarray
    stop: np.ndarray
    delimiter: str
    quoted: bool

    def __len__(self) -> int:
        """Return the number of rows, the header among them."""
        return len(self.start)

    def row(self, number: int) -> bytes:
        """Return the bytes of one row without its line end."""
        return self.raw[self.start[number] : self.stop[number]]

    def cells(self, number: int) -> list[str]:
        """Return the fields of one row."""
        text = self.row(number).decode("utf-8")
        if self.delimiter == " ":
            return text.split()
        if not self.quoted:
            return text.split(self.delimiter)
        return next(csv.reader([text], delimiter=self.delimiter, skipinitialspace=True))

    def line(self, number: int) -> int:
        """Return the line of the file at which a row begins, counted from 1."""
        return line_of(self.raw, int(self.start[number]))

    def line_end(self, number: int) -> bytes:
        """Return the line end of a row; where the last has none, that of the first."""
        begin = int(self.stop[number])
        for mark in (b"\r\n", b"\n", b"\r"):
            if self.raw.startswith(mark, begin):
                return mark
        return self.line_end(0) if number else b"\n"

    def columns(self, wanted: dict[str, int], text: set[str], first: int) -> pandas.DataFrame:
        """Return some columns of all rows from ``first`` on.

        Args:
            wanted: Place of each column by its name.
            text: Columns to keep as text.
            first: The first row with values.

        Returns:
            A frame with a row for each row of the file.

        Raises:
            FileFormatError: If pandas cannot read the file, or finds other rows.
        """
        import pandas

        places = sorted(wanted.items(), key=lambda entry: entry[1])
        if first >= len(self):
            return pandas.DataFrame({name: [] for name, _ in places})
        stream = io.BytesIO(self.raw)
        stream.seek(int(self.start[first]))
        options: dict[str, Any] = {
            "sep": r"\s+" if self.delimiter == " " else self.delimiter,
            "header": None,
            "index_col": False,
            "usecols": [place for _, place in places],
            "names": [name for name, _ in places],
            "dtype": {name: str for name in wanted if name in text},
            "na_filter": False,
            "skipinitialspace": True,
            "quoting": csv.QUOTE_MINIMAL if self.quoted else csv.QUOTE_NONE,
            "encoding": "utf-8",
            "low_memory": False,
        }
        try:
            frame = pandas.read_csv(stream, **options)
        except (ValueError, OverflowError) as error:
            raise FileFormatError(
                f"{self.path!r} is no table that can be read: {error}."
            ) from error
        require(
            len(frame) == len(self) - first,
            f"{self.path!r} has {len(self) - first} rows, but {len(frame)} were read. Write it anew"
            " with one row a line.",
            error=FileFormatError,
        )
        return frame


def find_records(path: str, raw: bytes, delimiter: str | None = None) -> Records:
    """Divide a file into rows and check that each has the fields that the first one has.

    Args:
        path: The file, for messages.
        raw: Its bytes.
        delimiter: What divides the fields; None finds it in the first row.

    Returns:
        The rows; lines without any text are none.

    Raises:
        FileFormatError: If the bytes are no UTF-8 text, a quote is misplaced or never closed, or a
            row has more or fewer fields than the first.
    """
    check_text(path, raw)
    begin = len(_BOM) if raw.startswith(_BOM) else 0
    require(bool(raw[begin:].strip()), f"{path!r} is empty. Check the path.", error=FileFormatError)
    if delimiter is None:
        delimiter = _delimiter(raw, begin)
    quoted = delimiter in (",", ";", "|") and b'"' in raw
    array = np.frombuffer(raw, dtype=np.uint8)
    inside = _inside_quotes(path, raw, array, begin, delimiter) if quoted else None
    _check_returns(path, raw, array, inside)
    newline = _NEWLINE if b"\n" in raw else _RETURN
    ends = _outside(array, newline, inside)
    if not len(ends) or ends[-1] != len(raw) - 1:
        ends = np.append(ends, len(raw))
    starts = np.concatenate([[begin], ends[:-1] + 1])
    stops = np.where(array[np.maximum(ends - 1, 0)] == _RETURN, ends - 1, ends)
    stops = np.maximum(stops, starts)
    fields = _count_fields(array, starts, stops, delimiter, inside)
    few = fields <= 1
    blank = np.zeros(len(starts), dtype=bool)
    blank[few] = [not raw[a:b].strip(b" \t") for a, b in zip(starts[few], stops[few])]
    records = Records(path, raw, starts[~blank], stops[~blank], delimiter, quoted)
    _check_fields(records, fields[~blank])
    return records


def line_of(raw: bytes, place: int) -> int:
    """Return the line in which a byte stands, counted from 1.

    Args:
        raw: The bytes of a file.
        place: Index of the byte.

    Returns:
        One more than the line ends before it.
    """
    newline = b"\n" if b"\n" in raw else b"\r"
    return raw.count(newline, 0, place) + 1


def check_text(path: str, raw: bytes) -> None:
    """Raise if a file is no text in UTF-8.

    Args:
        path: The file, for messages.
        raw: Its bytes.
    """
    packed = {b"\x1f\x8b": "gunzip", b"PK\x03\x04": "unzip"}.get(raw[: 4 if raw[:1] == b"P" else 2])
    require(
        packed is None,
        f"{path!r} is compressed. Unpack it first, with `{packed}`; an Excel file must be saved as"
        " CSV in UTF-8.",
        error=FileFormatError,
    )
    zero = raw.find(b"\0")
    require(
        zero < 0,
        f"{path!r} is no text: its byte {zero} is 0. A table from Excel or in UTF-16 must be saved"
        " as CSV in UTF-8.",
        error=FileFormatError,
    )
    decoder = codecs.getincrementaldecoder("utf-8")()
    for begin in range(0, max(len(raw), 1), _BLOCK):
        try:
            decoder.decode(raw[begin : begin + _BLOCK], final=begin + _BLOCK >= len(raw))
        except UnicodeDecodeError as error:
            line = line_of(raw, begin + error.start)
            raise FileFormatError(
                f"Line {line} of {path!r} is not in UTF-8: {error.reason}. Convert the file, for"
                " example with `iconv -f latin1 -t utf-8`."
            ) from error


def _delimiter(raw: bytes, begin: int) -> str:
    """Return the mark that is most frequent in the first line with text, a blank if none is."""
    lines = raw[begin : begin + _BLOCK].splitlines()
    first = next((line for line in lines if line.strip()), b"")
    found = max(_MARKS, key=lambda mark: first.count(mark.encode()))
    return found if found.encode() in first else " "


def _inside_quotes(
    path: str, raw: bytes, array: np.ndarray, begin: int, delimiter: str
) -> np.ndarray:
    """Return the places of the quotes, after a check that each opens or closes a field."""
    quotes = np.flatnonzero(array == _QUOTE)
    opening = quotes[0::2]
    closing = quotes[1::2]
    edges = (ord(delimiter), _NEWLINE, _RETURN)
    before = np.where(opening > begin, array[np.maximum(opening - 1, 0)], _NEWLINE)
    doubled = np.zeros(len(opening), dtype=bool)
    doubled[1:] = opening[1:] == closing[: len(opening) - 1] + 1
    wrong = ~(np.isin(before, edges) | doubled)
    for i in np.flatnonzero(wrong & (before == _BLANK)):  # blanks before a field are allowed
        ahead = raw[max(begin, int(opening[i]) - 80) : int(opening[i])].rstrip(b" ")
        wrong[i] = bool(ahead) and ahead[-1] not in edges
    after = np.where(closing + 1 < len(raw), array[np.minimum(closing + 1, len(raw) - 1)], _NEWLINE)
    again = np.zeros(len(closing), dtype=bool)
    again[: len(opening) - 1] = doubled[1 : len(closing) + 1][: len(again)]
    unclosed = ~(np.isin(after, edges) | again)
    places = np.concatenate([opening[wrong], closing[unclosed]])
    if len(places):
        place = int(places.min())
        number = int(np.searchsorted(quotes, place))
        if number % 2:
            opened = line_of(raw, int(quotes[number - 1]))
            raise FileFormatError(
                f"The quoted field that begins in line {opened} of {path!r} does not end well: in"
                f" line {line_of(raw, place)} more text follows a quote. Close the quote, or double"
                " quotes that belong to the text."
            )
        raise FileFormatError(
            f"Line {line_of(raw, place)} of {path!r} has a quote within a field. Put the whole"
            " field into quotes and double those that belong to the text."
        )
    require(
        len(quotes) % 2 == 0,
        f"The quote in line {line_of(raw, int(quotes[-1])) if len(quotes) else 0} of {path!r} is"
        " never closed, so it is not clear where its row ends. Close it or take it out.",
        error=FileFormatError,
    )
    return quotes


def _outside(array: np.ndarray, mark: int, quotes: np.ndarray | None) -> np.ndarray:
    """Return the places of a mark that are not within quotes."""
    places = np.flatnonzero(array == mark)
    if quotes is None:
        return places
    return np.asarray(places[np.searchsorted(quotes, places) % 2 == 0])


def _check_returns(path: str, raw: bytes, array: np.ndarray, quotes: np.ndarray | None) -> None:
    """Raise if a carriage return stands alone in a file whose lines end in line feeds."""
    if b"\r" not in raw or b"\n" not in raw:
        return
    places = _outside(array, _RETURN, quotes)
    alone = places[array[np.minimum(places + 1, len(raw) - 1)] != _NEWLINE]
    require(
        not len(alone),
        f"Line {line_of(raw, int(alone[0])) if len(alone) else 0} of {path!r} has a carriage return"
        " within it, which some programs take for a line end. Take it out.",
        error=FileFormatError,
    )


def _count_fields(
    array: np.ndarray,
    starts: np.ndarray,
    stops: np.ndarray,
    delimiter: str,
    quotes: np.ndarray | None,
) -> np.ndarray:
    """Return the number of fields of every row [R]."""
    if delimiter == " ":
        text = (array != _BLANK) & (array != _NEWLINE) & (array != _RETURN)
        first = text.copy()
        first[1:] &= ~text[:-1]
        first[starts[starts < len(array)]] &= text[starts[starts < len(array)]]
        places = np.flatnonzero(first)
        return np.searchsorted(places, stops) - np.searchsorted(places, starts)
    places = _outside(array, ord(delimiter), quotes)
    return np.searchsorted(places, stops) - np.searchsorted(places, starts) + 1


def _check_fields(records: Records, fields: np.ndarray) -> None:
    if not len(fields):
        return
    other = np.flatnonzero(fields != fields[0])
    if not len(other):
        return
    number = int(other[0])
    more = fields[number] > fields[0]
    mark = {"\t": "tab", " ": "blank"}.get(records.delimiter, repr(records.delimiter))
    cure = "Mend or drop the row."
    if more and records.delimiter in (",", ";", "|"):
        cure = f"A {mark} that belongs to a field needs quotes around it."
    raise FileFormatError(
        f"Line {records.line(number)} of {records.path!r} has {fields[number]} fields, but the"
        f" first row has {fields[0]}. {cure}"
    )


def csv_cell(text: str, delimiter: str, quoted: bool) -> str:
    """Return a text as a field of a row.

    Args:
        text: The text.
        delimiter: What divides the fields.
        quoted: Whether the file has quotes for texts that hold the delimiter.

    Returns:
        The field.

    Raises:
        InputError: If the text cannot be a field, for example a tab in RecBole's files.
    """
    if quoted and delimiter != "\t":
        stream = io.StringIO()
        csv.writer(stream, delimiter=delimiter, lineterminator="").writerow([text])
        return stream.getvalue()
    fits = delimiter not in text and not set(text) & {"\n", "\r"}
    mark = {"\t": "tab", " ": "blank"}.get(delimiter, delimiter)
    require(
        fits,
        f"The id {text!r} holds a {mark} or a line end, which divides the columns of this format."
        " Write CSV, or rename the id.",
    )
    return text
