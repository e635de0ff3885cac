"""Region caption: what does the boxed object do over an interval?

Grammar, after MedVidBench: one sentence of plain text on a single line. The question gives the
interval and the time of the boxed frame, which is the interval's first sampled frame; the box
itself stands in `Sample.region_xyxy` and is drawn, never written. Target: the sentence.
"""

from collections.abc import Iterator, Sequence

from medvid.tasks.base import ClipContext, Task
from medvid.tasks.grammar import one_line, require_line, tenths_text
from medvid.tasks.samples import Finding, make_sample
from medvid.tasks.wording import Wording
from schemas.caption import Caption
from schemas.hashing import hash_rank
from schemas.sample import Sample
from schemas.source import TaskName

WORDING = Wording(
    asks=(
        "A box marks an object at {start} seconds; say what this object does until {end} seconds.",
        "Watch the object outlined at {start} seconds. What is going on with it between {start} and"
        " {end} seconds?",
        "From {start} to {end} seconds, what part does the object play that is framed at {start}"
        " seconds?",
        "Take the object enclosed by the box at {start} seconds and describe its activity up to"
        " {end} seconds.",
        "In one sentence, report what the boxed object is about from {start} seconds, where the box"
        " is drawn, to {end} seconds.",
        "The frame at {start} seconds carries a box. Describe the object in it over the period that"
        " ends at {end} seconds.",
        "What can be seen of the object marked at {start} seconds from there on to {end} seconds?",
    )
)


class RegionCaption:
    """Asks about one boxed object over one interval."""

    name: TaskName = TaskName.REGION_CAPTION
    qa_types: tuple[str, ...] = (
        "region_caption_label", "region_caption_gpt", "region_caption_gemini",
    )  # fmt: skip

    def build(self, context: ClipContext) -> Iterator[Sample]:
        """Yield a sample for each region caption, by start, at most the settings' number a writer.

        Counts `no_caption`, `single_frame` (the interval holds fewer than two sampled frames),
        `no_box` (the object has no box on the first of them), `ambiguous` (it has several there)
        and `over_cap`.
        """
        captions = [caption for caption in context.captions if caption.scope == "region"]
        if not captions:
            context.drops["no_caption"] += 1
        for caption in self._capped(context, captions):
            sample = self._sample(context, caption)
            if sample is not None:
                yield sample

    @staticmethod
    def _capped(context: ClipContext, captions: Sequence[Caption]) -> list[Caption]:
        seed, most = context.settings.seed, context.settings.max_regions_per_clip
        by_writer: dict[str, list[Caption]] = {}
        for caption in captions:
            by_writer.setdefault(caption.writer, []).append(caption)
        kept: list[Caption] = []
        for rows in by_writer.values():
            # The subject alone decides, so that writers are asked about the same regions.
            rows.sort(key=lambda c: (hash_rank(seed, context.clip_id, c.label, c.subject), c.text))
            if len(rows) > most:
                context.drops["over_cap"] += len(rows) - most
            kept.extend(rows[:most])
        return sorted(kept, key=lambda c: (c.start, c.label, c.subject, c.writer))

    def _sample(self, context: ClipContext, caption: Caption) -> Sample | None:
        view = context.view
        frames = view.frames_inside(caption.start, caption.end)
        if frames is None or frames[0] == frames[1]:
            context.drops["single_frame"] += 1
            return None
        name = caption.subject.rsplit(":", 2)[0]
        rows = view.boxes.get(caption.label)
        places = [
            place
            for place in (rows[frames[0]] if rows else ())
            if (view.box(place).track or caption.label) == name
        ]
        if len(places) != 1:
            context.drops["ambiguous" if places else "no_box"] += 1
            return None
        box = view.box(places[0])
        first, last = (view.tenths[place] for place in frames)
        whole = context.spec.integer_times
        text = one_line(caption.text)
        finding = Finding(
            task=self.name, qa_type=f"region_caption_{caption.writer}", label=caption.label,
            subject={
                "end": last / 10, "object": caption.label, "start": first / 10,
                "track": box.track or "",
            },
            answer=self.format_(text), target=text, wording=WORDING,
            values={
                "start": tenths_text(first, whole=whole), "end": tenths_text(last, whole=whole),
            },
            records=[f"box:{places[0]}"], captions=[caption.caption_key],
            region=(context.clip.frame_index[frames[0]], box.xyxy),
        )  # fmt: skip
        return make_sample(context, finding)

    def format_(self, target: str) -> str:
        """Write a caption as an answer.

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


TASK: Task = RegionCaption()
