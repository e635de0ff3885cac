"""Rows of trainers: ms-swift's messages and LLaMA-Factory's sharegpt, one JSON object a line.

A clip is as many `<image>` as it has frames, which every version of both reads, or one `<video>`
that is a list of pictures: LLaMA-Factory reads it since June 2025, in ms-swift it depends on the
model.
Answers stay as the benchmark writes them. ms-swift can also be given boxes as `objects`, with
`<bbox>` in their place: it then writes them in the form and scale the model was trained on. It
measures boxes against the picture it opens, so they are given in pixels of the stored picture.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from medvid.media import scale_xyxy
from medvid.releases.exports.settings import ExportFormat, ExportSettings, MediaStyle
from medvid.releases.sheets import frame_times
from medvid.tasks.official.writing import require_no_token
from schemas.errors import SampleError
from schemas.sample import Sample
from schemas.source import TaskName

BBOX: Final = "<bbox>"
REF_OBJECT: Final = "<ref-object>"
DATASET_INFO: Final = "dataset_info.json"

StoredSize = Callable[[Sample, int], tuple[int, int]]
"""Width and height in pixels of the written picture of a native frame of a sample."""

_TAGS: Final = {
    "role_tag": "from", "content_tag": "value", "user_tag": "human", "assistant_tag": "gpt",
}  # fmt: skip


def trainer_row(
    sample: Sample, paths: Sequence[str], settings: ExportSettings,
    stored_size: StoredSize | None = None,
) -> dict[str, Any]:  # fmt: skip
    """A sample as a row of the trainer that the settings name.

    Args:
        sample: The sample.
        paths: Its frames in time order.
        settings: Format, and how frames and boxes are told of.
        stored_size: Tells the size of written pictures; None where none are written, and boxes of
            `objects` stay in pixels of the original image.

    Raises:
        SampleError: Question or answer hold a token that stands for something else.
    """
    question, answer = require_no_token(sample), sample.answer
    for token in (BBOX, REF_OBJECT, "<video>", "<image>", "<audio>"):
        if token in answer or (settings.objects and token in question):
            raise SampleError(
                f"the text holds {token}, which trainers replace.", field=sample.sample_id,
                action="Correct the label it comes from, and build the release again.",
            )  # fmt: skip
    media: list[Any] = list(paths)
    if settings.media_style is MediaStyle.VIDEOS:
        media, prompt = [media], f"<video>\n{question}"
    else:
        prompt = f"{'<image>' * len(media)}\n{question}"
    facts: dict[str, Any] = {
        settings.media_style.value: media, "sample_id": sample.sample_id, "task": sample.task.value,
        "qa_type": sample.qa_type,
    }  # fmt: skip
    if settings.format is ExportFormat.LLAMAFACTORY:
        turns = [{"from": "human", "value": prompt}, {"from": "gpt", "value": answer}]
        return {"conversations": turns, **facts}
    if settings.objects:
        answer, facts["objects"] = _objects(sample, stored_size)
    turns = [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
    return {"messages": turns, **facts}


def _objects(sample: Sample, stored_size: StoredSize | None) -> tuple[str, dict[str, list[Any]]]:
    """An answer with placeholders for its boxes, and the boxes with the places of their pictures.

    Every row has the three lists, empty where it has no boxes, so that readers see one type.
    """
    objects: dict[str, list[Any]] = {"ref": [], "bbox": [], "image_id": []}
    if sample.task is not TaskName.STG:
        return sample.answer, objects
    tenths = [round(time * 10) for time in frame_times(sample)]
    items = []
    for item in sample.target_value():
        place = min(range(len(tenths)), key=lambda at: abs(tenths[at] - round(item["time"] * 10)))
        xyxy = [float(edge) for edge in item["xyxy"]]
        if stored_size is not None:
            stored = stored_size(sample, sample.frame_index[place])
            original = (sample.width or stored[0], sample.height or stored[1])
            xyxy = [round(edge, 2) for edge in scale_xyxy(xyxy, original, stored)]
        objects["bbox"].append(xyxy)
        objects["image_id"].append(place)
        items.append(f"{item['time']:.1f} seconds: {BBOX}")
    return " ".join(items), objects


def dataset_info(files: dict[str, str], settings: ExportSettings) -> dict[str, Any]:
    """LLaMA-Factory's description of the written files: data set name to file and columns.

    Args:
        files: File name by name of the data set.
        settings: How frames are told of.
    """
    media = settings.media_style.value
    return {
        name: {
            "file_name": file, "formatting": "sharegpt",
            "columns": {"messages": "conversations", media: media}, "tags": dict(_TAGS),
        }
        for name, file in files.items()
    }  # fmt: skip
