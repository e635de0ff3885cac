"""When a clip shows an instrument doing something to a target: spans of action triplets."""

from medvid.tasks.view import ClipView
from schemas.geometry import Triplet

Spans = list[tuple[int, int]]
"""First and last place among the clip's sampled frames, both inclusive."""


def triplet_name(triplet: Triplet) -> str:
    """Name a triplet as CholecT50 writes it.

    >>> triplet_name(Triplet(instrument="hook", verb="dissect", target="gallbladder"))
    'hook,dissect,gallbladder'
    """
    return ",".join(part or "" for part in (triplet.instrument, triplet.verb, triplet.target))


def triplet_spans(view: ClipView) -> dict[Triplet, Spans]:
    """Find the runs of sampled frames on which each deed is labelled, by first appearance.

    A sampled frame that was not labelled, or not with the deed, ends a run.
    """
    spans: dict[Triplet, Spans] = {}
    for place, tick in enumerate(view.clip.frame_tick):
        for triplet in view.video.deeds_at.get(tick, ()):
            runs = spans.setdefault(triplet, [])
            if runs and runs[-1][1] == place - 1:
                runs[-1] = (runs[-1][0], place)
            else:
                runs.append((place, place))
    return spans
