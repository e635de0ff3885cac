"""Video summary: what is the clip about?

Grammar, after MedVidBench: one paragraph of plain text on a single line. Target: the paragraph.
"""

from collections.abc import Iterator

from medvid.tasks.base import ClipContext, Task
from medvid.tasks.grammar import one_line, require_line
from medvid.tasks.samples import Finding, make_sample
from medvid.tasks.wording import Wording
from schemas.sample import Sample
from schemas.source import TaskName

WORDING = Wording(
    asks=(
        "Sum up in a few sentences what is done in this clip.",
        "Write a brief passage that tells a colleague what this footage shows.",
        "Taken as a whole, what happens here? Answer in a short passage.",
        "Give the gist of the recording; single moves need no mention.",
        "Tell in one compact paragraph how the work in this clip unfolds.",
        "Condense the clip into a short account for the patient's record.",
        "What would a two-line note on this clip say?",
        "Describe the clip in broad strokes, without going through it moment by moment.",
    )
)


class VideoSummary:
    """Asks for a short account of the whole clip."""

    name: TaskName = TaskName.VIDEO_SUMMARY
    qa_types: tuple[str, ...] = ("video_summary_label", "video_summary_gpt", "video_summary_gemini")

    def build(self, context: ClipContext) -> Iterator[Sample]:
        """Yield one sample for each writer's summary; counts `no_caption`."""
        captions = [caption for caption in context.captions if caption.scope == "summary"]
        if not captions:
            context.drops["no_caption"] += 1
        for caption in captions:
            text = one_line(caption.text)
            finding = Finding(
                task=self.name, qa_type=f"video_summary_{caption.writer}", subject={}, label="",
                answer=self.format_(text), target=text, wording=WORDING,
                captions=[caption.caption_key],
            )  # fmt: skip
            yield make_sample(context, finding)

    def format_(self, target: str) -> str:
        """Write a summary as an answer.

        Raises:
            SampleError: The text is empty or not one line.
        """
        return require_line(target)

    def parse_(self, text: str) -> str:
        """Read an answer strictly.

        Raises:
            SampleError: The text is empty or not one line; `field` names the character.
        """
        return require_line(text)


TASK: Task = VideoSummary()
