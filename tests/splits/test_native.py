"""Official splits are honoured where a build asks for them, and whom they part is listed."""

import copy
from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from medvid.splits import (
    NativeScheme,
    Split,
    SplitAssignment,
    SplitSettings,
    assign_splits,
    find_leaks,
    leak_proof,
    parted_components,
)
from schemas.errors import SplitError
from schemas.timeline import TimeBase
from schemas.video import Video


def make_video(source: str, video_id: str, identity: str, native: Mapping[str, str]) -> Video:
    return Video(
        source=source, video_id=video_id, identity=identity, resolution_wh=(2, 2), media=None,
        time_base=TimeBase(rate_num=1, frame_rate_num=1), licence="cc0-1.0",
        native_split=dict(native),
    )  # fmt: skip


CHOLEC = [
    make_video("cholect50", "VID01", "cholec80:1", {"cholect50": "train", "folds": "fold1"}),
    make_video("cholect50", "VID25", "cholec80:25", {"cholect50": "train", "folds": "fold2"}),
    make_video("cholect50", "VID42", "cholec80:42", {"cholect50": "test", "folds": "fold2"}),
    make_video("cholectrack20", "VID01", "cholec80:1", {"cholectrack20": "testing"}),
    make_video("cholectrack20", "VID25", "cholec80:25", {"cholectrack20": "testing"}),
    make_video("cholectrack20", "VID96", "cholec80:96", {"cholectrack20": "validation"}),
    make_video("cholec80cvs", "25", "cholec80:25", {}),
    *(make_video("nurvid", f"n{i}", f"nurvid:{i}", {}) for i in range(40)),
]  # fmt: skip
NATIVE = SplitSettings(mode="native", native={"cholect50": NativeScheme(scheme="cholect50")})


def splits_of(assignment: SplitAssignment) -> dict[str, str]:
    return {f"{v.source}/{v.video_id}": v.split.value for v in assignment.videos}


def test_official_splits_win_over_pins_and_components() -> None:
    assignment = assign_splits(CHOLEC, NATIVE)
    placed = splits_of(assignment)
    assert placed["cholect50/VID25"] == "train"
    assert placed["cholect50/VID42"] == "test"
    assert placed["cholectrack20/VID25"] == "test"
    assert placed["cholectrack20/VID96"] == "val"
    assert not any(v.pinned for v in assignment.videos if v.source != "nurvid")


def test_a_video_without_official_split_tests_with_its_patient_or_is_placed_by_hash() -> None:
    assignment = assign_splits(CHOLEC, NATIVE)
    placed = splits_of(assignment)
    assert placed["cholec80cvs/25"] == "test"
    assert assignment.unlisted == {"cholec80cvs": 1, "nurvid": 40}
    by_hash = splits_of(assign_splits(CHOLEC, SplitSettings()))
    nurvid = {name: split for name, split in placed.items() if name.startswith("nurvid")}
    assert nurvid == {name: by_hash[name] for name in nurvid}
    assert {"test", "train"} <= set(nurvid.values())


def test_whom_official_splits_part_is_listed_and_checked() -> None:
    assignment = assign_splits(CHOLEC, NATIVE)
    leaks = parted_components(assignment)
    assert [leak.identities for leak in leaks] == [("cholec80:1",), ("cholec80:25",)]
    assert leaks[1].videos == {
        "test": ("cholec80cvs/25", "cholectrack20/VID25"), "train": ("cholect50/VID25",),
    }  # fmt: skip
    proof = leak_proof(CHOLEC, assignment)
    assert proof["mode"] == "native"
    assert proof["splits"]["cholec80:25"] == "test+train"
    assert proof["splits"]["cholec80:42"] == "test"
    rows = [{**row, "links": "{}"} for row in proof["videos"]]
    assert find_leaks(rows, orjson.loads(orjson.dumps(proof))) == []
    assert parted_components(assign_splits(CHOLEC, SplitSettings())) == ()


def without_a_leak(proof: dict[str, Any]) -> None:
    del proof["leaks"][0]


def as_identity(proof: dict[str, Any]) -> None:
    proof.update(mode="identity", leaks=[])


def with_a_moved_row(proof: dict[str, Any]) -> None:
    proof["videos"][0]["split"] = "val"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (without_a_leak, "does not list what its official splits part"),
        (as_identity, "cholec80:25 and all it joins are in test and train"),
        (with_a_moved_row, "hash"),
    ],
)
def test_a_proof_that_hides_a_leak_is_found(change: Any, told: str) -> None:
    proof = copy.deepcopy(leak_proof(CHOLEC, assign_splits(CHOLEC, NATIVE)))
    change(proof)
    assert any(told in fault for fault in find_leaks(CHOLEC, proof))


def test_folds_need_to_be_told_what_they_are() -> None:
    trials = [
        make_video("jigsaws", f"t{i}", f"jigsaws:{'BCD'[i % 3]}",
                   {"UserOut": "BCD"[i % 3], "SuperTrialOut": str(i)})
        for i in range(9)
    ]  # fmt: skip
    with pytest.raises(SplitError, match=r"several official splits: SuperTrialOut; UserOut"):
        assign_splits(trials, SplitSettings(mode="native"))
    unread = SplitSettings(mode="native", native={"jigsaws": NativeScheme(scheme="UserOut")})
    with pytest.raises(SplitError, match=r"no splits: B; C; D.*splits\.native\.jigsaws\.parts"):
        assign_splits(trials, unread)
    wrong = SplitSettings(mode="native", native={"jigsaws": NativeScheme(scheme="Trial")})
    with pytest.raises(SplitError, match="no official split 'Trial'"):
        assign_splits(trials, wrong)
    parts = {"B": Split.TEST, "C": Split.TRAIN, "D": Split.VAL}
    told = SplitSettings(
        mode="native", native={"jigsaws": NativeScheme(scheme="UserOut", parts=parts)}
    )
    placed = splits_of(assign_splits(trials, told))
    assert {placed[f"jigsaws/t{i}"] for i in (0, 3, 6)} == {"test"}
