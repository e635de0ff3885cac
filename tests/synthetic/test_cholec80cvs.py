"""The made-up Cholec80-CVS has the counts and faults of the real one, and shows its scores."""

from collections import Counter
from collections.abc import Callable
from itertools import combinations, pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from openpyxl import load_workbook

from medvid.synthetic import write_tree
from medvid.synthetic.backgrounds import Look
from medvid.synthetic.cholec80cvs import OFFICIAL_FRAMES, PHASE_NAMES, official_seconds
from medvid.synthetic.cvs_sheet import COLUMNS, Scores
from medvid.synthetic.drawing import Rgb
from medvid.synthetic.safety_view import SafetyScene

Row = dict[str, int]
DUCT, ARTERY, PLATE, FAT = (176, 222, 150), (232, 40, 52), (250, 238, 232), (240, 206, 112)


def sheet(root: Path) -> list[dict[str, object]]:
    header, *rows = load_workbook(root / "cholec80-CVS.xlsx")["Sheet1"].iter_rows(values_only=True)
    assert header == COLUMNS
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows]


def span(row: Row) -> tuple[int, int]:
    return (
        60 * row["initial_minute"] + row["initial_second"],
        60 * row["final_minute"] + row["final_second"],
    )


def scores(row: Row) -> tuple[int, ...]:
    return tuple(row[name] for name in COLUMNS[6:9])


def phase_rows(root: Path, number: int) -> list[str]:
    path = root / f"cholec80/phase_annotations/video{number:02d}-phase.txt"
    header, *lines = path.read_text().splitlines()
    assert header == "Frame\tPhase"
    assert [line.partition("\t")[0] for line in lines] == [str(i) for i in range(len(lines))]
    return [line.partition("\t")[2] for line in lines]


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cvs_official")
    write_tree("cholec80cvs", root, scale=1, media=False)
    return root


@pytest.fixture(scope="module")
def rows(official: Path) -> list[Row]:
    found = sheet(official)
    whole = [
        {name: value for name, value in row.items() if isinstance(value, int)} for row in found
    ]
    assert all(list(row) == list(COLUMNS) for row in whole)
    return whole


@pytest.fixture(scope="module")
def by_video(rows: list[Row]) -> dict[int, list[Row]]:
    found: dict[int, list[Row]] = {}
    for row in rows:
        found.setdefault(row["video"], []).append(row)
    return found


def test_full_size_has_the_published_rows(rows: list[Row], by_video: dict[int, list[Row]]) -> None:
    assert len(rows) == 572
    assert list(by_video) == list(range(1, 81))
    counts = {number: len(found) for number, found in by_video.items()}
    assert max(counts.values()) == 54
    assert {n: counts[n] for n in (1, 3, 6, 31, 71)} == {1: 1, 3: 28, 6: 31, 31: 54, 71: 29}


def test_full_size_has_the_published_scores(
    rows: list[Row], by_video: dict[int, list[Row]]
) -> None:
    for name, expected in (
        ("two_structures", [285, 202, 85]),
        ("cystic_plate", [489, 53, 30]),
        ("hepatocystic_triangle", [399, 152, 21]),
        ("Total", [241, 156, 77, 54, 21, 15, 8]),
    ):
        found = Counter(row[name] for row in rows)
        assert [found[value] for value in range(len(expected))] == expected
    assert all(row["Total"] == sum(scores(row)) for row in rows)
    assert all(row["critical_view"] == (row["Total"] >= 5) for row in rows)
    assert {row["video"] for row in rows if row["critical_view"]} == {
        4, 5, 10, 16, 22, 40, 44, 46, 48, 60, 66, 68, 70, 71, 78, 80,
    }  # fmt: skip
    zero = [n for n, found in by_video.items() if not any(row["Total"] for row in found)]
    assert zero == [1, 15, 18, 20, 33, 35, 41, 54, 62]


def test_full_size_has_the_published_faults(official: Path, by_video: dict[int, list[Row]]) -> None:
    backward = [(n, *span(r), scores(r)) for n, rs in by_video.items() for r in rs
                if span(r)[0] > span(r)[1]]  # fmt: skip
    assert backward == [
        (3, 3706, 3600, (0, 0, 0)), (6, 921, 873, (1, 0, 1)), (48, 1016, 722, (1, 1, 1)),
    ]  # fmt: skip
    overlaps: Counter[tuple[str, bool]] = Counter()
    places, late, unsorted = set(), 0, 0
    for number, found in by_video.items():
        forward = [row for row in found if span(row)[0] <= span(row)[1]]
        for a, b in combinations(forward, 2):
            shared = min(span(a)[1], span(b)[1]) - max(span(a)[0], span(b)[0]) + 1
            if shared >= 2:
                overlaps["more", scores(a) == scores(b)] += 1
                places.add(number)
            elif shared == 1:
                overlaps["one", False] += 1
        clip = phase_rows(official, number).index("ClippingCutting") / 25
        late += sum(span(row)[1] + 1 > clip for row in forward)
        assert all(span(row)[0] < clip for row in forward)
        starts = [span(row)[0] for row in found]
        unsorted += any(a > b for a, b in pairwise(starts))
    assert overlaps == {("more", False): 30, ("more", True): 9, ("one", False): 23}
    assert places == {3, 4, 6, 14, 49, 70}
    assert (late, unsorted) == (63, 50)
    assert [span(row) for row in by_video[1]] == [(0, 0)]


def test_full_size_has_the_published_frames(official: Path) -> None:
    lengths = official_seconds(0)
    assert (min(lengths.values()), max(lengths.values())) == (lengths[78], lengths[58])
    assert (lengths[78], lengths[58], sum(lengths.values())) == (739, 5993, 184_498)
    frames, off_second = 0, []
    for number in range(1, 81):
        phases = phase_rows(official, number)
        frames += len(phases)
        assert set(phases) <= set(PHASE_NAMES)
        if phases.index("ClippingCutting") % 25:
            off_second.append(number)
    assert frames == OFFICIAL_FRAMES
    assert off_second == [15, 37]


def test_without_faults_rows_are_clean(tmp_path: Path) -> None:
    write_tree("cholec80cvs", tmp_path, scale=0.2, media=False, max_seconds=300, faults=False)
    found = sheet(tmp_path)
    assert len({row["video"] for row in found}) == 16
    last: tuple[object, int] = (0, 0)
    for row in found:
        whole = {name: value for name, value in row.items() if isinstance(value, int)}
        assert list(whole) == list(COLUMNS)
        start, end = span(whole)
        assert start <= end
        assert (row["video"], start) == (last[0], last[1] + 1) or (start == 0 and row != last[0])
        clip = phase_rows(tmp_path, whole["video"]).index("ClippingCutting")
        assert end * 25 < clip
        last = (row["video"], end)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cvs_small")
    write_tree("cholec80cvs", root, max_seconds=40)
    return root


def test_the_smallest_tree_has_every_format(small: Path) -> None:
    cholec80 = small / "cholec80"
    assert sorted(path.name for path in (cholec80 / "videos").iterdir()) == [
        "video01.mp4", "video03.mp4", "video06.mp4", "video25.mp4",
    ]  # fmt: skip
    pictures = sorted(path.name for path in (cholec80 / "frames/video02").iterdir())
    assert pictures == [f"video02_{n:06d}.png" for n in range(1, 42)]
    found = sheet(small)
    assert any(isinstance(row["final_second"], str) for row in found)
    assert any(row["cystic_plate"] is None for row in found)
    assert found[-1]["video"] is None


def test_movies_have_a_frame_for_every_phase_row(small: Path) -> None:
    for number in (3, 25):
        with av.open(str(small / f"cholec80/videos/video{number:02d}.mp4")) as container:
            stream = container.streams.video[0]
            assert stream.average_rate == 25
            count = sum(1 for _ in container.decode(stream))
        assert count == len(phase_rows(small, number))


Paint = Callable[[Scores], Rgb]


@pytest.fixture
def paint() -> Paint:
    def draw(shown: Scores) -> Rgb:
        scene = SafetyScene((320, 180), 5, Look.LAPAROSCOPY, 1)
        scene.scores = shown
        return scene.backdrop(2.0)

    return draw


def near(picture: Rgb, colour: tuple[int, int, int], tolerance: int = 12) -> int:
    """Pixels of nearly one colour."""
    return int((np.abs(picture.astype(int) - colour).max(axis=2) < tolerance).sum())


@pytest.mark.parametrize(
    ("place", "colours", "grows"),
    [
        (0, (DUCT, ARTERY), True),
        (1, (PLATE,), True),
        (2, (FAT,), False),
    ],
)
def test_each_score_is_to_be_seen(
    paint: Paint, place: int, colours: tuple[tuple[int, int, int], ...], grows: bool
) -> None:
    seen = []
    for value in (0, 1, 2):
        shown = [0, 0, 0]
        shown[place] = value
        picture = paint((shown[0], shown[1], shown[2]))
        seen.append(sum(near(picture, colour) for colour in colours))
    assert seen == sorted(seen, reverse=not grows)
    assert min(abs(a - b) for a, b in pairwise(seen)) > 50


def test_the_movie_shows_the_scores_of_the_moment(small: Path) -> None:
    rows = [row for row in sheet(small) if row["video"] == 25]
    plain = [{k: v for k, v in row.items() if isinstance(v, int)} for row in rows]
    with av.open(str(small / "cholec80/videos/video25.mp4")) as container:
        frames = [np.asarray(f.to_ndarray(format="rgb24"), np.uint8) for f in container.decode()]
    for row in plain:
        start, end = span(row)
        inside = [frames[second * 25] for second in range(start + 1, end - 2)]
        # An instrument may lie before the anatomy for some seconds.
        duct, plate = (max(near(f, c, 40) for f in inside) for c in (DUCT, PLATE))
        assert (duct > 60) == (row["two_structures"] > 0)
        assert (plate > 60) == (row["cystic_plate"] > 0)
    assert len({scores(row) for row in plain}) > 1
