"""What may be exported: choices, settings that fit together, and what licences allow."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from medvid.releases.exports import ExportFormat, ExportSettings, MediaStyle, export_release
from schemas.errors import ConfigError, ReleaseError, SampleError
from schemas.sample import Sample
from schemas.source import TaskName
from tests.releases.exports.exported import FORMATS, settings


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"splits": ("test",)}, lambda row: row["split"] == "test"),
        ({"sources": ("copesd", "avos")}, lambda row: row["source"] in ("copesd", "avos")),
        ({"tasks": (TaskName.STG,)}, lambda row: row["task"] == "stg"),
    ],
)
def test_choices_narrow_the_export(
    release: Path, tmp_path: Path, changes: dict[str, Any], expected: Callable[[Any], bool]
) -> None:
    export_release(release, tmp_path / "out", settings(ExportFormat.PARQUET, **changes))
    counts = json.loads((tmp_path / "out" / "export.json").read_text())["counts"]
    assert counts
    assert all(expected(row) for row in counts)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"splits": ("tset",)}, "tset"),
        ({"sources": ("heichole",)}, "heichole"),
        ({"subset": "standard", "splits": ("test",)}, "no pair is left"),
    ],
)
def test_choices_that_mean_nothing_say_so(
    release: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        export_release(release, tmp_path / "out", settings(ExportFormat.PARQUET, **changes))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"format": ExportFormat.PARQUET, "plain": True},
        {"format": ExportFormat.MS_SWIFT, "map_label_captions": True},
        {"format": ExportFormat.MS_SWIFT, "objects": True, "media": MediaStyle.VIDEOS},
        {"format": ExportFormat.LLAMAFACTORY, "objects": True, "media": MediaStyle.IMAGES},
        {"format": ExportFormat.SELFCONTAINED, "frames": False},
        {"format": ExportFormat.PARQUET, "subset": "small"},
    ],
)
def test_settings_that_do_not_fit_together_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ExportSettings(**changes)


def test_labels_alone_export_without_frames(
    samples: list[Sample], make_release: Callable[..., Path], tmp_path: Path
) -> None:
    free = [sample.model_copy(update={"licence": "cc0-1.0"}) for sample in samples[:20]]
    bare = make_release(tmp_path / "bare", free, media=False)
    summary = export_release(bare, tmp_path / "out", settings(ExportFormat.MS_SWIFT))
    assert summary.frames == 0
    for form, frames in ((ExportFormat.MEDVIDBENCH, True), (ExportFormat.SELFCONTAINED, None)):
        with pytest.raises(ConfigError, match="labels only"):
            export_release(bare, tmp_path / "no", settings(form, frames=frames))


def test_tokens_inside_labels_are_refused(
    samples: list[Sample], make_release: Callable[..., Path], tmp_path: Path
) -> None:
    bad = samples[0].model_copy(
        update={"licence": "cc0-1.0", "question": "When does <video> happen?"}
    )
    folder = make_release(tmp_path / "bad", [bad])
    for form in (ExportFormat.MEDVIDBENCH, ExportFormat.MS_SWIFT, ExportFormat.LLAMAFACTORY):
        with pytest.raises(SampleError, match="<video>"):
            export_release(folder, tmp_path / "out", settings(form))
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("form", FORMATS)
def test_what_licences_forbid_is_refused_by_default(
    bound_release: Path, tmp_path: Path, form: ExportFormat
) -> None:
    with pytest.raises(ReleaseError, match="avos") as caught:
        export_release(bound_release, tmp_path / "out", settings(form))
    assert "avos-terms" in str(caught.value)
    assert "--for-own-use" in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_labels_may_go_where_pictures_may_not(bound_release: Path, tmp_path: Path) -> None:
    chosen = {"sources": ("nurvid", "copesd", "cholect50")}
    with pytest.raises(ReleaseError, match=r"pictures of .* nurvid-terms") as caught:
        export_release(
            bound_release, tmp_path / "out", settings(ExportFormat.MEDVIDBENCH, **chosen)
        )
    assert "--no-frames" in str(caught.value)
    summary = export_release(
        bound_release, tmp_path / "out",
        settings(ExportFormat.MEDVIDBENCH, frames=False, **chosen),
    )  # fmt: skip
    assert not summary.restricted


def test_own_use_is_possible_and_marked(bound_release: Path, tmp_path: Path) -> None:
    chosen = settings(ExportFormat.MS_SWIFT, for_own_use=True)
    summary = export_release(bound_release, tmp_path / "out", chosen)
    assert summary.restricted
    warning = (tmp_path / "out" / "LICENCE-NOTICE.txt").read_text(encoding="utf-8")
    assert warning.startswith("NOT FOR SHARING")
    for licence in ("avos-terms", "jigsaws-terms", "cholec80-cvs-terms", "nurvid-terms"):
        assert licence in warning
    assert "cc-by-nc-sa-4.0" not in warning


def test_an_unknown_licence_allows_nothing(
    samples: list[Sample], make_release: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make_release(
        tmp_path / "odd", [samples[0].model_copy(update={"licence": "found-on-a-disk"})]
    )
    for own in (False, True):
        chosen = settings(ExportFormat.PARQUET, for_own_use=own)
        with pytest.raises(ReleaseError, match="found-on-a-disk"):
            export_release(folder, tmp_path / "out", chosen)
        assert not (tmp_path / "out").exists()
