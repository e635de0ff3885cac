"""The writer as a whole: order, independence, refusals, odd labels."""

from collections.abc import Callable

import pytest

from medvid.captions import WRITER_VERSION, CaptionSettings, write_captions
from schemas.annotation import VideoAnnotation
from schemas.clip import Clip
from schemas.errors import ConfigError
from schemas.source import SourceSpec
from schemas.timeline import SegmentKind
from schemas.vocabulary import Vocabulary

Make = Callable[..., VideoAnnotation]
MakeSpec = Callable[..., SourceSpec]
MakeClip = Callable[..., Clip]


@pytest.fixture
def operation(make_annotation: Make) -> VideoAnnotation:
    """Three phases with triplets and two tracked instruments."""
    return make_annotation(
        segments=[
            (0, 40, "preparation"), (40, 90, "calot-dissection"), (90, 120, "clipping-and-cutting"),
        ],
        triplets=[
            *((t, "grasper", "retract", "gallbladder") for t in range(10, 110)),
            *((t, "hook", "dissect", "cystic_plate") for t in range(45, 85)),
            *((t, "scissors", "cut", "cystic_duct") for t in range(95, 99)),
        ],
        boxes=[
            {"tick": t, "xyxy": (x, 100, x + 60, 160), "label": label, "track": track}
            for t in range(10, 110)
            for label, track, x in (("grasper", "1", 100), ("hook", "2", 400 + 3 * t))
        ],
        labelled=range(120),
        procedure="Intravenous Injection",
    )  # fmt: skip


def test_captions_come_by_clip_and_scope(
    operation: VideoAnnotation, make_spec: MakeSpec, make_clip: MakeClip
) -> None:
    clips = [make_clip(40, 120), make_clip(0, 90), make_clip(0, 120, step=2)]
    build = write_captions(operation, make_spec(), clips, CaptionSettings())
    ids = [caption.clip_id for caption in build.captions]
    assert list(dict.fromkeys(ids)) == [clip.clip_id for clip in clips]
    rank = {"event": 0, "summary": 1, "region": 2}
    for clip in clips:
        mine = [c for c in build.captions if c.clip_id == clip.clip_id]
        assert [rank[c.scope] for c in mine] == sorted(rank[c.scope] for c in mine)
        assert sum(c.scope == "summary" for c in mine) == 1
        assert len({(c.scope, c.subject) for c in mine}) == len(mine)
        for caption in mine:
            assert clip.start <= caption.start < caption.end <= clip.end
            assert (caption.writer, caption.writer_version) == ("label", WRITER_VERSION)


def test_a_clip_is_written_about_alone_and_twice_alike(
    operation: VideoAnnotation, make_spec: MakeSpec, make_clip: MakeClip
) -> None:
    clips = [make_clip(0, 90), make_clip(40, 120), make_clip(0, 120, step=2)]
    together = write_captions(operation, make_spec(), clips, CaptionSettings()).captions
    alone = [
        caption
        for clip in clips
        for caption in write_captions(operation, make_spec(), [clip], CaptionSettings()).captions
    ]
    assert together == alone
    for scope in ("event", "summary", "region"):
        only = write_captions(operation, make_spec(), clips, CaptionSettings(), scopes=(scope,))
        assert only.captions == [c for c in together if c.scope == scope]


def test_the_seed_changes_words_and_not_events(
    operation: VideoAnnotation, make_spec: MakeSpec, make_clip: MakeClip
) -> None:
    clip = make_clip(0, 120)
    one, other = (
        write_captions(
            operation, make_spec(), [clip], CaptionSettings(seed=seed), scopes=("event", "summary")
        ).captions
        for seed in (1, 2)
    )
    assert [c.subject for c in one] == [c.subject for c in other]
    assert [c.text for c in one] != [c.text for c in other]


def test_wording_is_varied_over_clips(
    operation: VideoAnnotation, make_spec: MakeSpec, make_clip: MakeClip
) -> None:
    clips = [make_clip(start, 120) for start in range(30)]
    build = write_captions(operation, make_spec(), clips, CaptionSettings())
    for scope, share in (("event", 0.4), ("summary", 0.6), ("region", 0.3)):
        texts = [c.text for c in build.captions if c.scope == scope]
        assert len(set(texts)) >= share * len(texts)


@pytest.mark.parametrize(
    ("settings", "scopes", "problem"),
    [
        (CaptionSettings(), ("event", "plot"), "no caption scope 'plot'"),
        (CaptionSettings(region_min_s=9, region_max_s=8), ("event",), "9 to 8 s have no length"),
    ],
)
def test_settings_that_mean_nothing_are_refused(
    operation: VideoAnnotation, make_spec: MakeSpec, make_clip: MakeClip,
    settings: CaptionSettings, scopes: tuple[str, ...], problem: str,
) -> None:  # fmt: skip
    with pytest.raises(ConfigError, match=problem):
        write_captions(operation, make_spec(), [make_clip(0, 60)], settings, scopes=scopes)


def test_a_clip_of_another_video_is_refused(
    operation: VideoAnnotation, make_spec: MakeSpec, make_clip: MakeClip
) -> None:
    stranger = make_clip(0, 60).model_copy(update={"video_id": "V2"})
    with pytest.raises(ConfigError, match="theatre V2 cannot be captioned"):
        write_captions(operation, make_spec(), [stranger], CaptionSettings())


@pytest.mark.parametrize(
    "label",
    ["Line\nbreak of skin", "  Tab\tbed  ", "...", "3-way stopcock", "Kürette “spitz”", "缝合",
     '"quoted"', "{braces} %s", "A", "Use of restraints.", "x" * 300],
)  # fmt: skip
@pytest.mark.parametrize("kind", [SegmentKind.PHASE, SegmentKind.ACTION, SegmentKind.PRESENCE])
def test_odd_labels_stay_on_one_closed_line(
    make_annotation: Make, make_spec: MakeSpec, make_clip: MakeClip, label: str, kind: SegmentKind
) -> None:
    annotation = make_annotation(segments=[(0, 20, label), (20, 40, "Check")], kind=kind)
    spec = make_spec(kind, "nursing actions").model_copy(
        update={"vocabularies": {kind.value: Vocabulary(name="odd", labels=(label, "Check"))}}
    )
    for seed in range(12):
        build = write_captions(annotation, spec, [make_clip(0, 40)], CaptionSettings(seed=seed))
        for caption in build.captions:
            assert caption.text == " ".join(caption.text.split())
            assert caption.text[0].isupper()
            assert caption.text.endswith(".")
            assert not caption.text.endswith("..")


def test_no_clips_give_no_captions(operation: VideoAnnotation, make_spec: MakeSpec) -> None:
    build = write_captions(operation, make_spec(), [], CaptionSettings())
    assert (build.captions, build.drops) == ([], {})
