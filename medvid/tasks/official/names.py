"""Names in official rows: datasets in several spellings, row types, ids in two grammars."""

import re
from typing import Final, NamedTuple

from schemas.source import TaskName

OFFICIAL_DATASETS: Final = {
    "avos": "AVOS",
    "cholec80cvs": "Cholec80_CVS",
    "cholect50": "CholecT50",
    "cholectrack20": "CholecTrack20",
    "copesd": "CoPESD",
    "egosurgery": "EgoSurgery",
    "jigsaws": "JIGSAWS",
    "nurvid": "NurViD",
}
"""Our module names and the spelling that official rows are written in."""

WRITERS: Final = ("label", "gpt", "gemini")
"""Who wrote a caption: `label` is ours, from native labels alone."""

_TASKS: Final = {task.value: task for task in TaskName} | {"dc": TaskName.DENSE_CAPTIONING}
_NOT_A_NAME: Final = re.compile(r"[^a-z0-9]")


class RowId(NamedTuple):
    """What the id of a row says; parts that are absent or empty are empty strings.

    Attributes:
        video_id: The video; CoPESD's has the `_partN` that `metadata.video_id` drops.
        start: Start of the clip, in frames or seconds.
        end: End of the clip.
        fps: Sampled frames per second.
    """

    video_id: str
    start: str
    end: str
    fps: str


def official_dataset(name: str) -> tuple[str | None, str]:
    """Module name and official spelling of a dataset; an unknown one keeps its own spelling.

    >>> official_dataset("Cholec80-CVS"), official_dataset("jigsaws"), official_dataset("Else")
    (('cholec80cvs', 'Cholec80_CVS'), ('jigsaws', 'JIGSAWS'), (None, 'Else'))
    """
    source = _NOT_A_NAME.sub("", name.lower())
    if source in OFFICIAL_DATASETS:
        return source, OFFICIAL_DATASETS[source]
    return None, name


def task_of_qa_type(qa_type: str) -> TaskName | None:
    """The task of a row type, whatever its writer's suffix; None where it is no known type.

    >>> task_of_qa_type("dense_captioning_gpt").value, task_of_qa_type("dc").value
    ('dense_captioning', 'dense_captioning')
    """
    name, _, writer = qa_type.rpartition("_")
    return _TASKS.get(qa_type) or _TASKS.get(name if writer in WRITERS else "")


def parse_row_id(text: str) -> RowId:
    """Read an id of either grammar; other text is taken for the name of a video.

    >>> parse_row_id("kcOqlifSukA&&22425&&25124&&1.0")
    RowId(video_id='kcOqlifSukA', start='22425', end='25124', fps='1.0')
    >>> parse_row_id("1.0$VID25$9726$12701").video_id
    'VID25'
    """
    if "&&" in text:
        video_id, start, end, fps, *_ = [*text.split("&&"), "", "", ""]
        return RowId(video_id, start, end, fps)
    if text.count("$") == 3:
        fps, video_id, start, end = text.split("$")
        return RowId(video_id, start, end, fps)
    return RowId(text, "", "", "")
