"""What the loop shows to those who watch it: the newest turn, whole, in one attribute.

The loop's thread replaces `snapshot` each turn and waits for nobody; who watches looks at it when it has
time. So a slow watcher misses turns and slows nothing.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence

from edge.letters.filter import LetterFilter
from edge.observe.hints import NO_REASON, HintTracker
from edge.records import CameraState, Hint, LetterEvent, LoopStep, Observer, Snapshot

log = logging.getLogger(__name__)

HISTORY = 12  # letters
RATE_S = 2.0  # over how long frames a second are counted
ASKED = 32  # wishes that wait for the loop; more are forgotten: nobody presses so fast
BLIND = {
    "opening": "The camera is being opened.",
    "blind": "The camera gives no picture.",
    "frozen": "The camera gives the same picture again and again.",
    "black": "The camera gives black pictures: is its lens covered?",
}
SMOOTH = 0.1  # share of the newest latency in the one that is shown


class SnapshotPublisher:
    """`turn` belongs to the loop's thread, `snapshot` and `ask` to anybody."""

    def __init__(self, letters: LetterFilter, hold_s: float, observers: Sequence[Observer] = ()) -> None:
        self.snapshot: Snapshot | None = None
        self._letters, self._observers = letters, list(observers)
        self._why = HintTracker(hold_s)
        self._asked: deque[Callable[[], None]] = deque(maxlen=ASKED)
        self._history: deque[LetterEvent] = deque(maxlen=HISTORY)
        self._times_s: deque[float] = deque()  # of the frames of the last RATE_S
        self._latency_s = 0.0
        self._read = 0
        self._broken: set[int] = set()

    def ask(self, wish: Callable[[], None]) -> None:
        """Calls `wish` in the loop's thread, between two frames."""
        self._asked.append(wish)

    def edit(self, what: str) -> None:
        """space, delete or clear, for the text."""
        self.ask(lambda: self._letters.edit(what))

    def turn(self, step: LoopStep, camera: CameraState) -> None:
        """One turn of the loop is done."""
        while self._asked:
            self._asked.popleft()()
        before = self.snapshot
        now = time.monotonic()
        if step.event is not None:
            self._history.appendleft(step.event)
        hint, picture, offered, waited_s = NO_REASON, None, 0, 0.0
        if before is not None:
            hint, picture, offered = before.hint, before.picture, before.offered
        if step.frame is not None and step.prediction is not None:
            hint = self._why.update(step.frame, step.prediction, step.event)
            picture, offered = step.frame, step.frame.index + 1
        if step.frame is not None and not step.still:
            # a recording's times are its own
            latency_s = 0.0 if camera.name.startswith("replay:") else now - step.frame.t
            waited_s = max(0.0, latency_s - step.inference_s)
            self._latency_s += (SMOOTH if self._read else 1.0) * (latency_s - self._latency_s)
            self._read += 1
            self._times_s.append(now)
        if camera.status in BLIND:
            hint = Hint("camera", BLIND[camera.status])
        while self._times_s and now - self._times_s[0] > RATE_S:
            self._times_s.popleft()
        self.snapshot = Snapshot(
            number=before.number + 1 if before else 0,
            t=now,
            step=step,
            picture=picture,
            camera=camera,
            text=self._letters.text,
            hint=hint,
            fps=self._rate(),
            latency_s=self._latency_s,
            waited_s=waited_s,
            history=tuple(self._history),
            offered=offered,
            read=self._read,
        )
        self._tell(self.snapshot)

    def _rate(self) -> float:
        if len(self._times_s) < 2:
            return 0.0
        return (len(self._times_s) - 1) / max(self._times_s[-1] - self._times_s[0], 1e-3)

    def _tell(self, snapshot: Snapshot) -> None:
        """An observer that raises is reported once and told the next turn again; the loop goes on."""
        for number, observer in enumerate(self._observers):
            try:
                observer(snapshot)
            except Exception as error:
                if number not in self._broken:
                    log.warning("an observer failed: %s: %s", type(error).__name__, error)
                self._broken.add(number)
