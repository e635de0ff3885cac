"""The made-up JIGSAWS has the shape, the counts and the faults of the real one."""

import re
from collections import Counter
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from medvid.media.decode import decode_positions
from medvid.media.integrity import check_media
from medvid.media.probe import probe_video
from medvid.synthetic import write_tree
from medvid.synthetic.avi import write_mpeg4_avi
from medvid.synthetic.robot_bench import Bench
from medvid.synthetic.trial_plans import PLANS, plan_trials
from schemas.errors import ConfigError
from schemas.video import MediaKind, MediaRef

Rgb = npt.NDArray[np.uint8]
LINE = re.compile(rb"([1-9][0-9]*) ([1-9][0-9]*) (G[1-9][0-9]?) \r?\n")
ROW = re.compile(r"[A-Z]\w+_[B-I]00[1-5]\t\t[NIE]\t\d+\t\t[1-5](\t[1-5]){5}")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("jigsaws")
    write_tree("jigsaws", root, max_seconds=40)
    return root


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("official")
    write_tree("jigsaws", root, scale=1.0, media=False)
    return root


def names(root: Path, pattern: str) -> set[str]:
    return {path.name for path in root.rglob(pattern)}


def transcriptions(root: Path) -> dict[str, list[tuple[int, int, str]]]:
    found = {}
    for path in sorted(root.rglob("transcriptions/*.txt")):
        content = path.read_bytes()
        assert LINE.sub(b"", content) == b""
        lines = [(int(a), int(b), code.decode()) for a, b, code in LINE.findall(content)]
        found[path.stem] = lines
    return found


def rows(root: Path) -> list[list[str]]:
    found = []
    for path in sorted(root.rglob("meta_file_*.txt")):
        for line in path.read_text().splitlines():
            assert not line or ROW.fullmatch(line)
            found += [line.split()] if line else []
    return found


def test_official_size_has_the_published_counts(official: Path) -> None:
    per_task: dict[str, Counter[str]] = {task: Counter() for task in PLANS}
    frames: Counter[str] = Counter()
    trials = transcriptions(official)
    for name, lines in trials.items():
        task = name.rpartition("_")[0]
        per_task[task].update(code for _, _, code in lines)
        frames[task] += sum(end - start + 1 for start, end, _ in lines)
    assert Counter(name.rpartition("_")[0] for name in trials) == {
        "Suturing": 39, "Knot_Tying": 36, "Needle_Passing": 28,
    }  # fmt: skip
    assert {task: counts.total() for task, counts in per_task.items()} == {
        "Suturing": 793, "Knot_Tying": 371, "Needle_Passing": 539,
    }  # fmt: skip
    for task, plan in PLANS.items():
        assert per_task[task] == plan.gestures
        assert frames[task] == plan.frames
    levels = Counter((row[0].rpartition("_")[0], row[1]) for row in rows(official))
    assert [levels["Suturing", level] for level in "NIE"] == [19, 10, 10]
    assert [levels["Knot_Tying", level] for level in "NIE"] == [16, 10, 10]
    assert [levels["Needle_Passing", level] for level in "NIE"] == [11, 8, 9]
    assert len(names(official, "AllGestures/*.txt")) == 17


def test_ratings_add_up_and_stay_in_range(official: Path) -> None:
    for name, _, total, *scores in rows(official):
        low, high = PLANS[name.rpartition("_")[0]].grs
        assert low <= int(total) == sum(map(int, scores)) <= high


def test_gestures_follow_each_other_from_the_first_frame_on(official: Path) -> None:
    gaps, repeats, first = [], [], []
    for name, lines in transcriptions(official).items():
        first.append(lines[0][0])
        assert all(end - start >= 10 for start, end, _ in lines)
        gaps += [name for (_, a, _), (b, _, _) in pairwise(lines) if b != a + 1]
        repeats += [name for (_, _, a), (_, _, b) in pairwise(lines) if a == b]
    assert gaps == ["Knot_Tying_B004"]
    assert {"Knot_Tying_B001", "Needle_Passing_H002"} <= set(repeats)
    assert 1 <= min(first) < max(first) <= 193


def test_planted_oddities_are_those_of_the_release(official: Path) -> None:
    trials = transcriptions(official)
    start, end, code = trials["Needle_Passing_H004"][-1]
    assert code != "G11"
    assert end - start > 1200
    ends = {name for name, lines in trials.items() if lines[-1][2] != "G11"}
    assert ends == {f"Needle_Passing_{trial}" for trial in ("D001", "D003", "H004")}
    assert "G9" in {code for _, _, code in trials["Needle_Passing_C005"]}
    assert "G10" in {code for _, _, code in trials["Needle_Passing_D003"]}
    assert (official / "Needle_Passing/Needle_Passing/meta_file_Needle_Passing.txt").is_file()
    ends_of = {
        task: (next(official.rglob(f"meta_file_{task}.txt"))).read_bytes()[-4:] for task in PLANS
    }
    assert ends_of["Knot_Tying"] == b"\r\n\r\n"
    assert not ends_of["Needle_Passing"].endswith(b"\n")
    assert b"\r" not in ends_of["Suturing"]
    empty = [p.name for p in official.rglob("AllGestures/*.txt") if p.stat().st_size == 0]
    assert empty == ["Knot_Tying_H002.txt"]


def test_without_faults_there_are_none(tmp_path: Path) -> None:
    write_tree("jigsaws", tmp_path, scale=1.0, media=False, faults=False)
    trials = transcriptions(tmp_path)
    assert len(trials) == 103
    assert not any(b"\r" in path.read_bytes() for path in tmp_path.rglob("*.txt"))
    assert not (tmp_path / "Needle_Passing" / "Needle_Passing").exists()
    assert not names(tmp_path, "AllGestures/*.txt")
    for lines in trials.values():
        assert all(b == a + 1 for (_, a, _), (b, _, _) in pairwise(lines))
        assert all(end - start < 1200 for start, end, _ in lines)


@pytest.mark.parametrize("scale", [0.0, 0.1, 0.5])
def test_scale_is_a_share_of_the_trials(tmp_path: Path, scale: float) -> None:
    write_tree("jigsaws", tmp_path, scale=scale, media=False, max_seconds=30)
    assert len(transcriptions(tmp_path)) == max(7, round(103 * scale))
    assert all(lines[-1][1] <= 900 for lines in transcriptions(tmp_path).values())


def test_another_seed_is_another_tree() -> None:
    first, again, other = (plan_trials("Suturing", seed, None, faults=True) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_too_short_trials_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="18"):
        write_tree("jigsaws", tmp_path / "a", media=False, max_seconds=17)
    assert not (tmp_path / "a").exists()


def test_kinematics_have_rows_of_1216_bytes(tree: Path) -> None:
    for path in tree.rglob("AllGestures/*.txt"):
        content = path.read_bytes()
        assert len(content) % 1216 == 0
        if content:
            row = content[:1216].decode()
            assert row[0] == " "
            assert row[-1] == "\n"
            assert len(row.split()) == 76
            assert all(re.fullmatch(r"-?\d\.\d{8}", value) for value in row.split())


def test_captures_are_mpeg4_in_avi_at_their_sizes(tree: Path) -> None:
    paths = sorted(tree.rglob("*.avi"))
    assert len(paths) == 11
    frames = {}
    for path in paths:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            assert (container.format.name, stream.codec_context.name) == ("avi", "mpeg4")
            assert stream.average_rate == 30
            small = path.stem in {"Knot_Tying_F005_capture1", "Suturing_G001_capture1"}
            assert (stream.width, stream.height) == ((320, 240) if small else (640, 480))
            frames[path.stem] = stream.frames
    for name, count in frames.items():
        if name.endswith("capture2"):
            assert 2 <= frames[name.replace("capture2", "capture1")] - count <= 3


def test_media_are_sound_but_for_the_one_cut_short(tree: Path) -> None:
    for path in sorted(tree.rglob("Suturing_*.avi")):
        ref = MediaRef(kind=MediaKind.VIDEO, path=path.relative_to(tree).as_posix())
        verdict = check_media(tree, ref)
        expected = "truncated" if path.stem == "Suturing_G001_capture2" else ""
        assert verdict.reason == expected, path.stem


def stamped(count: int) -> list[Rgb]:
    """Pictures that show their own number in eight stripes."""
    pictures: list[Rgb] = []
    for number in range(count):
        picture = np.zeros((48, 64, 3), np.uint8)
        for bit in range(8):
            picture[:, bit * 8 : bit * 8 + 8] = 255 * (number >> bit & 1)
        pictures.append(picture)
    return pictures


def read_stamp(picture: Rgb) -> int:
    return sum(1 << bit for bit in range(8) if picture[24, bit * 8 + 4].mean() > 128)


@pytest.mark.parametrize("b_frames", [0, 2])
def test_wanted_frames_of_mpeg4_in_avi_are_the_right_ones(tmp_path: Path, b_frames: int) -> None:
    path = tmp_path / "a.avi"
    written = write_mpeg4_avi(
        path, stamped(120), rate=Fraction(30), gop=25, b_frames=b_frames, quantiser=2
    )
    probe = probe_video(path)
    assert written == len(probe) == 120
    assert probe.exact
    assert check_media(tmp_path, MediaRef(kind=MediaKind.VIDEO, path="a.avi")).ok
    for wanted in ([0], [119], [0, 1, 2, 24, 25, 26, 60, 118, 119], list(range(3, 120, 10))):
        found = [(place, read_stamp(rgb)) for place, rgb in decode_positions(path, wanted)]
        assert found == [(place, place) for place in wanted]


def test_a_picture_shown_again_is_encoded_as_it_stands(tmp_path: Path) -> None:
    pictures = stamped(4)
    path = tmp_path / "a.avi"
    write_mpeg4_avi(path, [p for p in pictures for _ in range(3)], rate=Fraction(30), quantiser=2)
    shown = [read_stamp(rgb) for _, rgb in decode_positions(path, range(12))]
    assert shown == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]


@pytest.mark.parametrize(
    ("pictures", "words"),
    [
        ([], "no frames"), ([np.zeros((47, 64, 3), np.uint8)], "even"),
        ([np.zeros((48, 64, 3), np.uint8), np.zeros((48, 32, 3), np.uint8)], "not like the first"),
    ],
)  # fmt: skip
def test_pictures_that_cannot_be_encoded_are_refused(
    tmp_path: Path, pictures: list[Rgb], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        write_mpeg4_avi(tmp_path / "a.avi", pictures, rate=Fraction(30))


def test_a_new_gesture_is_seen_from_its_first_frame_on() -> None:
    bench = Bench("Suturing", [(0, 8 / 30, "G2"), (8 / 30, 1, "G6")], 0.5, 1)
    pictures = list(bench.pictures((320, 240), 12, 1))
    assert [bench.gesture_at(frame / 30) for frame in (7, 8)] == ["G2", "G6"]
    changes = [i for i, (a, b) in enumerate(pairwise(pictures), start=1) if a is not b]
    assert changes == [5, 8, 10]
    assert bench.gesture_at(2.0) is None


def test_the_two_eyes_see_from_two_places() -> None:
    bench = Bench("Needle_Passing", [(0, 1, "G2")], 0.5, 1)
    left, right = (next(bench.pictures((640, 480), 1, capture)) for capture in (1, 2))
    assert left.shape == right.shape == (480, 640, 3)
    assert (left != right).any()


def test_poor_operators_move_more() -> None:
    def motion(quality: float) -> float:
        bench = Bench("Suturing", [(0, 5, "G2")], quality, 1)
        pictures = [p.astype(int) for p in list(bench.pictures((320, 240), 120, 1))[::5]]
        return float(np.mean([np.abs(a - b).mean() for a, b in pairwise(pictures)]))

    assert motion(0.0) > 1.3 * motion(1.0)
