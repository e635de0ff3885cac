"""Human ratings of caption pairs, from CSV or JSON lines.

A row is `pair_id`, `dimension`, `rating` (an integer from 1 to 5) and `rater`. Dimensions go by
our names or by the leaderboard's keys (`R2`).
"""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError

from medvid.evaluation.judge.pairs import Dimension, Score
from medvid.evaluation.judge.parsing import ALIASES
from schemas.errors import MalformedSourceError, MissingSourceError
from schemas.scalars import Label, Model

FIELDS = ("pair_id", "dimension", "rating", "rater")


class Rating(Model):
    """What one person says of one dimension of a pair.

    Attributes:
        pair_id: The pair.
        dimension: What is rated.
        rating: From 1 to 5.
        rater: Who rates.
    """

    pair_id: Label
    dimension: Dimension
    rating: Score
    rater: Label


def load_ratings(path: Path) -> list[Rating]:
    """Read ratings from a `.csv` file with a header, or from JSON lines.

    Args:
        path: The file; UTF-8, with or without a byte-order mark.

    Returns:
        Ratings in the order of the file, at least one.

    Raises:
        MissingSourceError: The file is not there.
        MalformedSourceError: A line cannot be read, or a rater rates one thing twice.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise MissingSourceError(
            "the ratings file is not there.", source=path.name, action="Check its path."
        ) from error
    except OSError as error:
        raise MalformedSourceError(
            f"the ratings file cannot be read: {error.strerror}.", source=path.name,
            action="Give a CSV file or JSON lines.",
        ) from error  # fmt: skip
    except UnicodeDecodeError as error:
        raise _fault(path, 1, "the file is not UTF-8.") from error
    rows = _csv_rows(path, text) if path.suffix.lower() == ".csv" else _json_rows(path, text)
    ratings: dict[tuple[str, Dimension, str], Rating] = {}
    for line, row in rows:
        rating = _rating(path, line, row)
        place = (rating.pair_id, rating.dimension, rating.rater)
        if place in ratings:
            raise _fault(path, line, f"{rating.rater} rates this pair and dimension twice.")
        ratings[place] = rating
    if not ratings:
        raise _fault(path, 1, "the file holds no ratings.")
    return list(ratings.values())


def _csv_rows(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    if not set(FIELDS) <= set(reader.fieldnames or ()):
        raise _fault(path, 1, f"the header must name {', '.join(FIELDS)}.")
    try:
        for row in reader:
            yield reader.line_num, {name: row[name] for name in FIELDS}
    except csv.Error as error:
        raise _fault(path, reader.reader.line_num, f"the row is no CSV ({error}).") from error


def _json_rows(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for line, row in enumerate(text.split("\n"), start=1):
        if not row.strip():
            continue
        try:
            value = orjson.loads(row)
        except orjson.JSONDecodeError as error:
            raise _fault(path, line, "the line is no JSON.") from error
        if not isinstance(value, dict):
            raise _fault(path, line, "the line is no JSON object.")
        yield line, {name: value.get(name) for name in FIELDS}


def _rating(path: Path, line: int, row: dict[str, Any]) -> Rating:
    name = str(row["dimension"] or "").strip().lower().replace(" ", "_")
    values = {key: value for key, value in row.items() if value is not None}
    try:
        return Rating.model_validate({**values, "dimension": ALIASES.get(name, name)})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = str(first["loc"][0])
        raise MalformedSourceError(
            f"{first['msg']}.", source=path.name, line=line, field=field,
            action="Correct the line.",
        ) from error  # fmt: skip


def _fault(path: Path, line: int, problem: str) -> MalformedSourceError:
    return MalformedSourceError(problem, source=path.name, line=line, action="Correct the file.")
