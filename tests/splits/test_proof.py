"""The proof tells the truth, and every lie in it or beside it is found."""

import copy
import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medvid.splits import (
    Split,
    SplitSettings,
    assign_splits,
    check_leaks,
    find_leaks,
    leak_proof,
)
from schemas.errors import LeakageError, SplitError
from schemas.hashing import content_key
from schemas.timeline import TimeBase
from schemas.video import Video


def make_video(source: str, video_id: str, identity: str, **links: str) -> Video:
    return Video(
        source=source, video_id=video_id, identity=identity, resolution_wh=(2, 2), media=None,
        time_base=TimeBase(rate_num=1, frame_rate_num=1), licence="cc0-1.0", links=links,
    )  # fmt: skip


VIDEOS = [
    *(make_video("cholect50", f"VID{i:02d}", f"cholec80:{i}") for i in range(1, 21)),
    *(make_video("cholectrack20", f"VID{i:02d}", f"cholec80:{i}") for i in range(11, 31)),
    *(make_video("nurvid", f"abcdefghi{i:02d}", f"youtube:abcdefghi{i:02d}") for i in range(12)),
    make_video("avos", "abcdefghi03", "avos:3", youtube="abcdefghi03"),
    make_video("avos", "zzzzzzzzzzz", "avos:4", youtube="zzzzzzzzzzz"),
]


@pytest.fixture
def proof() -> dict[str, Any]:
    return leak_proof(VIDEOS, assign_splits(VIDEOS, SplitSettings()))


def rows_of(proof: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows as `videos.parquet` gives them back."""
    links = {(v.source, v.video_id): json.dumps(v.links) for v in VIDEOS}
    return [
        {**row, "links": links[row["source"], row["video_id"]], "n_clips": 3}
        for row in copy.deepcopy(proof["videos"])
    ]


def test_the_proof_is_plain_json_and_holds_what_joins_videos(proof: dict[str, Any]) -> None:
    assert orjson.loads(orjson.dumps(proof)) == proof
    assert proof["schema_version"] == 1
    assert proof["edges"]["identity"]["cholec80:11"] == ["cholect50/VID11", "cholectrack20/VID11"]
    assert proof["edges"]["youtube"] == {
        "youtube:abcdefghi03": ["avos/abcdefghi03", "nurvid/abcdefghi03"]
    }
    assert len(proof["spanning"]) == 10 + 1
    (both,) = [s for s in proof["spanning"] if "avos" in s["sources"]]
    assert both["identities"] == ["avos:3", "youtube:abcdefghi03"]
    assert proof["splits"]["cholec80:15"] == "test"
    assert sum(part["videos"] for part in proof["counts"]["nurvid"].values()) == 12
    assert "cholec80:25" in proof["pinned"]


def test_true_rows_pass_as_videos_and_as_table_rows(proof: dict[str, Any]) -> None:
    assert find_leaks(VIDEOS, proof) == []
    assert find_leaks(rows_of(proof), proof) == []
    check_leaks(VIDEOS, proof)
    check_leaks([], proof)


def test_same_videos_give_the_same_proof() -> None:
    first = leak_proof(VIDEOS, assign_splits(VIDEOS, SplitSettings()))
    again = leak_proof(VIDEOS[::-1], assign_splits(VIDEOS[::-1], SplitSettings()))
    assert orjson.dumps(first) == orjson.dumps(again)


@given(
    moved=st.integers(0, len(VIDEOS) - 1),
    split=st.sampled_from(["train", "val", "test"]),
)
@settings(max_examples=60, deadline=None)
def test_a_row_moved_to_another_split_is_found(moved: int, split: str) -> None:
    proof = leak_proof(VIDEOS, assign_splits(VIDEOS, SplitSettings()))
    rows = rows_of(proof)
    honest = rows[moved]["split"] == split
    rows[moved]["split"] = split
    leaks = find_leaks(rows, proof)
    assert bool(leaks) != honest
    if not honest:
        with pytest.raises(LeakageError, match=rows[moved]["video_id"]):
            check_leaks(rows, proof)


def forge(proof: dict[str, Any], source: str, video_id: str, split: str) -> dict[str, Any]:
    """Move a video in the proof alone, and mend the hash as a forger would."""
    forged = copy.deepcopy(proof)
    for row in forged["videos"]:
        if (row["source"], row["video_id"]) == (source, video_id):
            row["split"] = split
    forged["assignment_sha256"] = content_key(forged["videos"])
    return forged


def test_a_proof_that_parts_a_patient_is_found_although_its_hash_is_mended(
    proof: dict[str, Any],
) -> None:
    forged = forge(proof, "cholect50", "VID15", "train")
    leaks = find_leaks([], forged)
    assert any("cholec80:15" in leak for leak in leaks)
    assert not any("hash" in leak for leak in leaks)


def test_a_proof_that_hides_an_edge_is_found_by_the_links_of_the_rows(
    proof: dict[str, Any],
) -> None:
    split = next(r["split"] for r in proof["videos"] if r["video_id"] == "abcdefghi03")
    other = "train" if split != "train" else "test"
    forged = forge(proof, "avos", "abcdefghi03", other)
    forged["splits"]["avos:3"] = other
    forged["edges"]["youtube"] = {}
    forged["spanning"] = [s for s in forged["spanning"] if "avos" not in s["sources"]]
    for row in forged["videos"]:
        if row["source"] == "avos":
            row["component"] = row["identity"]
    forged["assignment_sha256"] = content_key(forged["videos"])
    leaks = find_leaks(VIDEOS, forged)
    assert any("youtube:abcdefghi03, by the videos" in leak for leak in leaks)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda p: p.update(assignment_sha256="0" * 64), "hash"),
        (lambda p: p["videos"].reverse(), "sorted"),
        (lambda p: p["videos"].pop(), "not in the proof"),
        (lambda p: p["spanning"].pop(), "over several sources"),
        (lambda p: p.update(schema_version=99), "version"),
        (lambda p: p.pop("edges"), "cannot be read"),
        (lambda p: p.update(splits={}), "splits by identity"),
        (lambda p: p["videos"][0].update(identity="someone:else"), "someone:else"),
    ],
)
def test_a_damaged_proof_is_found(proof: dict[str, Any], change: Any, told: str) -> None:
    change(proof)
    assert any(told in leak for leak in find_leaks(VIDEOS, proof))
    with pytest.raises(LeakageError):
        check_leaks(VIDEOS, proof)


def test_rows_of_another_release_are_found(proof: dict[str, Any]) -> None:
    stranger = make_video("avos", "new", "avos:new")
    assert find_leaks([*VIDEOS, stranger], proof) == ["avos/new is not in the proof"]
    assert find_leaks(VIDEOS, {})[0].startswith("the proof cannot be read")


def test_a_proof_of_other_videos_is_not_written() -> None:
    assignment = assign_splits(VIDEOS, SplitSettings())
    with pytest.raises(SplitError):
        leak_proof(VIDEOS[1:], assignment)


def test_an_assignment_that_leaks_gets_no_proof() -> None:
    assignment = assign_splits(VIDEOS, SplitSettings())
    leaking = assignment.model_copy(
        update={
            "videos": tuple(
                video.model_copy(update={"split": Split.TRAIN})
                if (video.source, video.video_id) == ("cholect50", "VID15")
                else video
                for video in assignment.videos
            )
        }
    )
    with pytest.raises(LeakageError, match="cholec80:15"):
        leak_proof(VIDEOS, leaking)
