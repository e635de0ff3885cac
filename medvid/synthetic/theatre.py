"""Pictures of a made-up operation at any time."""

from medvid.synthetic.backgrounds import Look
from medvid.synthetic.cholecystectomy import Bout, Operation
from medvid.synthetic.drawing import PixelBox, Rgb, Scene, black_frame, boxes_at, render
from schemas.hashing import hash_rank

Size = tuple[int, int]
_SEEDS = 1 << 31


class Theatre:
    """Draws one operation; phases of one patient share their seed, not their arrangement."""

    def __init__(self, operation: Operation, resolution_wh: Size) -> None:
        self._operation = operation
        self._resolution_wh = resolution_wh
        self._seed = hash_rank(operation.seed, "patient", operation.patient) % _SEEDS
        self._scenes: dict[int, Scene] = {}

    def picture(self, t_s: float, *, overlay: str | None = None) -> Rgb:
        """The view at a time; black while the camera is out of the body."""
        operation = self._operation
        if operation.is_outside(t_s):
            return black_frame(self._resolution_wh)
        phase = operation.stretch_at(t_s).phase
        if phase not in self._scenes:
            self._scenes[phase] = Scene(self._resolution_wh, self._seed, Look.LAPAROSCOPY, phase)
        actors, effects = operation.actors_at(t_s), operation.effects_at(t_s)
        return render(self._scenes[phase], actors, t_s, effects=effects, overlay=overlay)[0]

    def room(self, t_s: float) -> Rgb:
        """The view before the camera enters the body."""
        if -1 not in self._scenes:
            self._scenes[-1] = Scene(self._resolution_wh, self._seed, Look.WARD, 0)
        return render(self._scenes[-1], [], t_s)[0]


def boxes_of(bouts: list[Bout], resolution_wh: Size, t_s: float) -> list[tuple[Bout, PixelBox]]:
    """Instruments in view with their boxes, which may run past the image edge."""
    boxes = boxes_at(resolution_wh, [bout.actor for bout in bouts], t_s)
    return [(bout, boxes[bout.actor.track]) for bout in bouts if bout.actor.track in boxes]
