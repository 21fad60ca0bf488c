"""The newest loop step with everything that a page shows of it, as one value that any thread may read.

The loop's thread replaces `snapshot` with every step and waits for nobody. Readers take the newest one when
they have time, so slow clients miss steps and don't affect recognition.
"""

import time
from collections import deque
from collections.abc import Callable

from edge.letters.filter import LetterFilter
from edge.observe.hints import NO_HINT, HintTracker
from edge.records import Hint, LetterEvent, LoopStep, Observer, Snapshot

HISTORY = 12  # letters
RATE_S = 2.0  # frames a second are counted over this time
MAX_QUEUED = 32  # calls that wait for the loop; older ones are dropped: nobody presses buttons so fast
LATENCY_SMOOTHING = 0.1  # weight of the newest latency in the one that is shown


class SnapshotPublisher:
    """`observe` belongs to the loop's thread; any thread may use the rest."""

    def __init__(self, letters: LetterFilter, hints: HintTracker) -> None:
        self.snapshot: Snapshot | None = None
        self._letters, self._hints = letters, hints
        self._queued: deque[Callable[[], None]] = deque(maxlen=MAX_QUEUED)
        self._history: deque[LetterEvent] = deque(maxlen=HISTORY)
        self._times_s: deque[float] = deque()  # of the frames read within RATE_S
        self._latency_s = 0.0
        self._read = 0

    def run_in_loop(self, call: Callable[[], None]) -> None:
        """Call a function in the loop's thread, between two frames."""
        self._queued.append(call)

    def edit(self, command: str) -> None:
        """Edit the text between two frames: space, delete or clear."""
        self.run_in_loop(lambda: self._letters.edit(command))

    def observe(self, step: LoopStep) -> None:
        """Publish a step."""
        while self._queued:
            self._queued.popleft()()
        before, now = self.snapshot, time.monotonic()
        if step.event is not None:
            self._history.appendleft(step.event)
        picture = before.picture if before is not None else None
        offered = before.offered if before is not None else 0
        if step.frame is not None:
            picture, offered = step.frame, step.frame.index + 1
        waited_s = self._measure_times(step, now)
        self.snapshot = Snapshot(
            number=before.number + 1 if before is not None else 0,
            t=now,
            step=step,
            picture=picture,
            text=self._letters.text,
            hint=self._hint(step),
            fps=self._frames_per_s(),
            latency_s=self._latency_s,
            waited_s=waited_s,
            history=tuple(self._history),
            offered=offered,
            read=self._read,
        )

    def _hint(self, step: LoopStep) -> Hint:
        hint = self.snapshot.hint if self.snapshot is not None else NO_HINT
        if step.frame is not None and step.prediction is not None:
            hint = self._hints.update(step.frame, step.prediction, step.event)
        if step.camera.problem:
            return Hint("camera", f"The camera {step.camera.problem}.")
        return hint

    def _measure_times(self, step: LoopStep, now: float) -> float:
        """Update latency and frame rate; return how long the frame waited for the network."""
        waited_s = 0.0
        if step.frame is not None and not step.still:
            latency_s = 0.0 if step.camera.is_recording else now - step.frame.t
            waited_s = max(0.0, latency_s - step.inference_s)
            self._latency_s += (LATENCY_SMOOTHING if self._read else 1.0) * (latency_s - self._latency_s)
            self._read += 1
            self._times_s.append(now)
        while self._times_s and now - self._times_s[0] > RATE_S:
            self._times_s.popleft()
        return waited_s

    def _frames_per_s(self) -> float:
        if len(self._times_s) < 2:
            return 0.0
        return (len(self._times_s) - 1) / max(self._times_s[-1] - self._times_s[0], 1e-3)


def each_snapshot(publisher: SnapshotPublisher, receive: Callable[[Snapshot], None]) -> Observer:
    """Return an observer, to follow `publisher.observe`, that passes on the snapshot of each step."""

    def observe(step: LoopStep) -> None:
        if publisher.snapshot is not None:
            receive(publisher.snapshot)

    return observe
