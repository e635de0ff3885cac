"""Facts of one video's labels, looked up by time: what captions may speak of."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, NamedTuple

from medvid.captions.label_grammar import procedure_phrase
from medvid.captions.lexicon import MASS
from medvid.captions.morphology import definite, head_noun, plain
from schemas.annotation import VideoAnnotation
from schemas.geometry import Box, Triplet
from schemas.hashing import hash_rank
from schemas.source import SourceSpec
from schemas.timeline import SegmentKind

MOST: Final = 0.6
"""Share of an event from which something goes on `for most of the time`."""

MOST_FRAMES: Final = 3
"""Labelled frames that `most of the time` and `throughout` need in any case."""

BRIEF: Final = 0.1
"""Share of an event up to which one unbroken stretch is `brief`."""

BRIEF_S: Final = 10
"""Longest stretch in seconds that is called brief."""

BRIEF_FRAMES: Final = 20
"""Labelled frames an event needs before a share of it says anything."""

_THINGS: Final = ("instrument", "tool", "object", "hand")
"""Vocabularies that name what boxes hold and who acts in triplets, in order of search."""

_ACTORS: Final = (("nurs", "clinician"), ("surg", "surgeon"))


class TripletKey(NamedTuple):
    """A triplet by its labels; `verb` and `target` are None where nothing is known or done."""

    instrument: str
    verb: str | None
    target: str | None
    idle: bool


class View(NamedTuple):
    """What one frame shows.

    Attributes:
        labels: Classes in view, each once.
        keys: Triplets, each once.
        crowded: Classes that are labelled more than once.
    """

    labels: tuple[str, ...]
    keys: tuple[TripletKey, ...]
    crowded: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TripletUse:
    """One triplet inside one event.

    Attributes:
        key: The triplet.
        ticks: Labelled frames that have it.
        first: Earliest of them.
        last: Latest of them.
        most: It fills most of the event.
        brief: It is one short, unbroken stretch.
    """

    key: TripletKey
    ticks: frozenset[int]
    first: int
    last: int
    most: bool
    brief: bool


class Draw:
    """A row of choices drawn from one hash."""

    __slots__ = ("_rest",)

    def __init__(self, seed: int, *parts: str | int) -> None:
        self._rest = hash_rank(seed, *parts)

    def below(self, limit: int) -> int:
        """The next choice, 0 to limit - 1."""
        self._rest, choice = divmod(self._rest, limit)
        return choice

    def pick(self, options: Sequence[str]) -> str:
        """The next choice among options."""
        return options[self.below(len(options))]


def is_null(label: str | None) -> bool:
    """Whether a label is a class for nothing at all, as `null_verb`."""
    return label is not None and label.lower().replace("-", "_").split("_")[0] == "null"


def triplet_key(triplet: Triplet) -> TripletKey:
    """Reduce a triplet to what it claims: null classes mean an instrument that rests."""
    idle = is_null(triplet.verb)
    verb = None if idle else triplet.verb
    target = None if verb is None or is_null(triplet.target) else triplet.target
    return TripletKey(triplet.instrument, verb, target, idle)


class Speech:
    """How the labels of one source are said."""

    def __init__(self, spec: SourceSpec) -> None:
        self._vocabularies = spec.vocabularies
        self._said: dict[tuple[str, str], str] = {}
        self.actor = actor_of(spec)

    def say(self, vocabulary: str, label: str) -> str:
        """A label inside running text, without an article."""
        key = (vocabulary, label)
        if key not in self._said:
            known = self._vocabularies.get(vocabulary)
            if known is None:
                raw = label.replace("-", " ").replace("_", " ")
            else:
                raw = known.phrase(label)
            self._said[key] = plain(raw)
        return self._said[key]

    def thing(self, label: str) -> str:
        """A boxed or acting object, in the words of whichever vocabulary knows it."""
        known = next((name for name in _THINGS if self._knows(name, label)), _THINGS[0])
        return self.say(known, label)

    def _knows(self, vocabulary: str, label: str) -> bool:
        known = self._vocabularies.get(vocabulary)
        return known is not None and label in known.labels

    def target(self, label: str) -> str:
        """A target with its article, bare where it is a substance."""
        phrase = self.say("target", label)
        return phrase if head_noun(phrase) in MASS else definite(phrase)


def actor_of(spec: SourceSpec) -> str | None:
    """Who acts in a source's videos, by what its own step word says; None where it does not say.

    Nursing actions are a clinician's, surgical ones a surgeon's, gestures an operator's.
    """
    if spec.label_kind is SegmentKind.GESTURE:
        return "operator"
    words = spec.voice.step_word.lower()
    return next((actor for stem, actor in _ACTORS if stem in words), None)


class VideoFacts:
    """Labels of one video, indexed once for all its clips.

    Attributes:
        annotation: The labels.
        spec: Facts about the source.
        speech: How the labels are said.
        procedure: Noun phrase for the whole procedure, or None.
        boxes_at: Boxes by tick.
        triplets_at: Triplets by tick.
        view_at: What each frame shows, by tick.
    """

    def __init__(self, annotation: VideoAnnotation, spec: SourceSpec) -> None:
        self.annotation = annotation
        self.spec = spec
        self.speech = Speech(spec)
        name = annotation.procedure
        self.procedure = (
            None if name is None else procedure_phrase(self.speech.say("procedure", name))
        )
        base = annotation.video.time_base
        self._step = base.label_step
        self._sparse = base.sparse
        self._brief_ticks = Fraction(BRIEF_S) * base.tick_rate
        self.tick_rate = base.tick_rate
        self._keys: dict[tuple[str, str | None, str | None], TripletKey] = {}
        self._uses: dict[tuple[int, int], list[TripletUse]] = {}
        self.boxes_at: dict[int, list[Box]] = defaultdict(list)
        for box in annotation.boxes:
            self.boxes_at[box.tick].append(box)
        self.triplets_at: dict[int, list[TripletKey]] = defaultdict(list)
        self._index_triplets()
        self._ticks = sorted(self.triplets_at)
        self._labelled = annotation.labelled_ticks or tuple(self._ticks)
        self._labelled_set = frozenset(annotation.labelled_ticks)
        self._crowds: dict[str, list[int]] = defaultdict(list)
        self.view_at = self._index_views()

    def _index_triplets(self) -> None:
        """Triplets by frame; those that only stand on boxes are taken from there."""
        at = self.triplets_at
        for item in self.annotation.triplets:
            at[item.tick].append(self.key_of(item.triplet))
        for tick, boxes in self.boxes_at.items():
            if tick not in self.triplets_at:
                on_boxes = [self.key_of(box.triplet) for box in boxes if box.triplet]
                if on_boxes:
                    self.triplets_at[tick] = on_boxes

    def count_boxes(self, label: str, tick: int) -> int:
        """Boxes of a class on a frame."""
        return sum(box.label == label for box in self.boxes_at.get(tick, ()))

    def slots(self, start: int, end: int) -> int:
        """Frames that `[start, end)` would have if every frame of the label grid were labelled."""
        return -(-(end - start) // self._step)

    def key_of(self, triplet: Triplet) -> TripletKey:
        """`triplet_key`, remembered by the labels."""
        labels = (triplet.instrument, triplet.verb, triplet.target)
        key = self._keys.get(labels)
        if key is None:
            key = self._keys[labels] = triplet_key(triplet)
        return key

    def _index_views(self) -> dict[int, View]:
        """What each frame shows; frames that show the same share one view."""
        views: dict[tuple[object, ...], View] = {}
        found: dict[int, View] = {}
        for tick in sorted({*self.triplets_at, *self.boxes_at}):
            keys = self.triplets_at.get(tick, ())
            boxed = tuple(box.label for box in self.boxes_at.get(tick, ()))
            signature = (boxed, *keys)
            view = views.get(signature)
            if view is None:
                view = views[signature] = _make_view(boxed, keys)
            found[tick] = view
            for label in view.crowded:
                self._crowds[label].append(tick)
        return found

    def is_single(self, instrument: str, start: int, end: int) -> bool:
        """Whether no frame in `[start, end)` is labelled with two of an instrument."""
        ticks = self._crowds.get(instrument, ())
        first = bisect_left(ticks, start)
        return first == len(ticks) or ticks[first] >= end

    def shows_none(self, label: str, tick: int) -> bool:
        """Whether a frame was labelled and has neither a box nor a triplet of a class."""
        boxes, keys = self.boxes_at.get(tick, ()), self.triplets_at.get(tick, ())
        if any(box.label == label for box in boxes) or any(k.instrument == label for k in keys):
            return False
        return bool(boxes or keys) or tick in self._labelled_set

    def uses(self, start: int, end: int) -> list[TripletUse]:
        """Triplets on labelled frames in `[start, end)`, most frequent first, then earliest."""
        found = self._uses.get((start, end))
        if found is None:
            found = self._uses[start, end] = self._count_uses(start, end)
        return found

    def _count_uses(self, start: int, end: int) -> list[TripletUse]:
        ticks: dict[TripletKey, list[int]] = {}
        for tick in self._ticks[bisect_left(self._ticks, start) : bisect_left(self._ticks, end)]:
            for key in self.view_at[tick].keys:
                ticks.setdefault(key, []).append(tick)
        labelled = bisect_left(self._labelled, end) - bisect_left(self._labelled, start)
        uses = [
            self._describe(key, frozenset(found), (start, end), labelled)
            for key, found in ticks.items()
        ]
        return sorted(uses, key=lambda use: (-len(use.ticks), use.first, _order(use.key)))

    def _describe(
        self, key: TripletKey, ticks: frozenset[int], span: tuple[int, int], labelled: int
    ) -> TripletUse:
        first, last = min(ticks), max(ticks)
        slots = self.slots(*span)
        unbroken = last - first == (len(ticks) - 1) * self._step
        brief = (
            not self._sparse
            and unbroken
            and labelled >= BRIEF_FRAMES
            and len(ticks) <= BRIEF * labelled
            and last - first + self._step <= self._brief_ticks
        )
        most = len(ticks) >= max(MOST_FRAMES, MOST * slots)
        return TripletUse(key, ticks, first, last, most, brief)

    def seen(self, ticks: Sequence[int]) -> set[TripletKey]:
        """Triplets on the given frames."""
        at = self.view_at
        views = {id(at[tick]): at[tick] for tick in ticks if tick in at}
        return {key for view in views.values() for key in view.keys}


def _order(key: TripletKey) -> tuple[str, str, str]:
    return key.instrument, key.verb or "", key.target or ""


def _make_view(boxed: Sequence[str], keys: Sequence[TripletKey]) -> View:
    acting = [key.instrument for key in keys]
    crowded = {
        label for names in (acting, boxed) for label, count in Counter(names).items() if count > 1
    }
    labels = tuple(dict.fromkeys((*acting, *boxed)))
    return View(labels, tuple(dict.fromkeys(keys)), tuple(sorted(crowded)))
