"""What Prometheus is told: an observer of the loop, and the text of /metrics."""

import time
from dataclasses import dataclass

from edge import __version__
from edge.errors import not_installed
from edge.records import Snapshot
from edge.system.board import temperature_c

# Seconds: from an Orin's 5 ms to a Pi Zero's second.
BUCKETS_S = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0)
STATES = ("opening", "live", "blind", "frozen", "black")


@dataclass(frozen=True)
class ModelName:
    """Which model runs: when it was exported, and its file's sha256."""

    created: str
    sha256: str
    variant: str


class Metrics:
    """`__call__` with each turn of the loop, `text()` whenever somebody scrapes. SettingsError where
    prometheus-client is not installed."""

    def __init__(self, model: ModelName) -> None:
        try:
            import prometheus_client as prometheus
        except ImportError:
            raise not_installed("'metrics'", "prometheus-client", "metrics") from None
        # a second series for each, that nobody asked for
        prometheus.disable_created_metrics()  # type: ignore[no-untyped-call]
        self._generate = prometheus.generate_latest
        self.content_type = prometheus.CONTENT_TYPE_LATEST
        self._registry = prometheus.CollectorRegistry()
        self._before: Snapshot | None = None

        def counter(name: str, what: str, labels: tuple[str, ...] = ()) -> prometheus.Counter:
            return prometheus.Counter(f"asl_edge_{name}", what, labels, registry=self._registry)

        def gauge(name: str, what: str, labels: tuple[str, ...] = ()) -> prometheus.Gauge:
            return prometheus.Gauge(f"asl_edge_{name}", what, labels, registry=self._registry)

        def histogram(name: str, what: str) -> prometheus.Histogram:
            return prometheus.Histogram(f"asl_edge_{name}", what, registry=self._registry, buckets=BUCKETS_S)

        self._offered = counter("frames_offered", "Frames that the camera gave")
        self._read = counter("frames_read", "Frames that the network read")
        self._dropped = counter("frames_dropped", "Frames that the camera gave and nobody read")
        self._still_s = counter("still_seconds", "Time in which the scene stood still and was not read anew")
        self._letters = counter("letters", "Letters that were read", ("letter",))
        self._why = counter("frames_without_letter", "Frames that gave no letter, by the reason", ("why",))
        self._restarts = counter("camera_restarts", "How often the camera was opened again")
        self._waiting_s = histogram("waiting_seconds", "From a frame's capture until the network took it")
        self._reading_s = histogram("reading_seconds", "Finding the hand and reading the letter, a frame")
        self._camera = gauge("camera_state", "1 for the state that the camera is in", ("state",))
        self._age_s = gauge("frame_age_seconds", "Since the newest frame was captured")
        self._rate = gauge("frames_per_second", "Frames read a second, over the last two")
        self._temperature_c = None  # a board that tells none gets no gauge: 0 would be a lie
        if temperature_c() is not None:
            self._temperature_c = gauge("temperature_celsius", "Of the board's warmest zone")
        model_info = prometheus.Info("asl_edge_model", "The model that runs", registry=self._registry)
        model_info.info({"created": model.created, "sha256": model.sha256, "variant": model.variant})
        build = prometheus.Info("asl_edge_build", "The program that runs", registry=self._registry)
        build.info({"version": __version__})

    def __call__(self, snapshot: Snapshot) -> None:
        """In the loop's thread: some sums, a few microseconds each."""
        before = self._before
        step = snapshot.step
        self._offered.inc(max(0, snapshot.offered - (before.offered if before else 0)))
        self._dropped.inc(max(0, snapshot.camera.dropped - (before.camera.dropped if before else 0)))
        self._restarts.inc(max(0, snapshot.camera.reopened - (before.camera.reopened if before else 0)))
        if step.frame is not None:
            if not step.still:
                self._read.inc()
                self._reading_s.observe(step.inference_s)
                self._waiting_s.observe(snapshot.waited_s)
            elif before is not None and before.picture is not None:
                self._still_s.inc(max(0.0, step.frame.t - before.picture.t))
            if snapshot.hint.kind:
                self._why.labels(snapshot.hint.kind).inc()
        if step.event is not None:
            self._letters.labels(step.event.letter).inc()
        self._before = snapshot

    def text(self) -> bytes:
        """The exposition; in any thread."""
        snapshot = self._before
        if snapshot is not None:
            for state in STATES:
                self._camera.labels(state).set(state == snapshot.camera.status)
            self._age_s.set(snapshot.frame_age_s(time.monotonic()))
            self._rate.set(snapshot.fps)
        warm = temperature_c()
        if warm is not None and self._temperature_c is not None:
            self._temperature_c.set(warm)
        return self._generate(self._registry)
