"""Metrics for Prometheus: counts the loop's steps, and formats them for /metrics."""

import time
from dataclasses import dataclass
from typing import get_args

from edge import __version__
from edge.errors import not_installed
from edge.records import CameraStatus, Snapshot
from edge.system.board import read_temperature_c

# from 5 ms on a Jetson Orin to a second on a Pi Zero
BUCKETS_S = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0)
STATES = get_args(CameraStatus)
# what the page counts of its clients: name in edge/web, and help
PAGE_COUNTS = {
    "wrong_tokens": "Wrong tokens that were sent to the page",
    "guesses_refused": "Tokens that the page did not check, after too many wrong ones",
    "requests_delayed": "Requests that waited because their client sent too many",
    "connections_closed": "Connections that the page closed or refused because there were too many",
}


@dataclass(frozen=True)
class ModelName:
    """Identifies the model: when it was exported, its file's sha256, and its variant."""

    created: str
    sha256: str
    variant: str


class Metrics:
    """`__call__` counts a snapshot, `text()` returns the metrics.

    Raises SettingsError if prometheus-client is not installed.
    """

    def __init__(self, model: ModelName) -> None:
        try:
            import prometheus_client as prometheus
        except ImportError:
            raise not_installed("page.metrics", "prometheus-client", "metrics") from None
        # otherwise every counter has a second series
        prometheus.disable_created_metrics()  # type: ignore[no-untyped-call]
        self._generate = prometheus.generate_latest
        self.content_type = prometheus.CONTENT_TYPE_LATEST
        self._registry = prometheus.CollectorRegistry()
        self._before: Snapshot | None = None

        def counter(name: str, help_text: str, labels: tuple[str, ...] = ()) -> prometheus.Counter:
            return prometheus.Counter(f"asl_edge_{name}", help_text, labels, registry=self._registry)

        def gauge(name: str, help_text: str, labels: tuple[str, ...] = ()) -> prometheus.Gauge:
            return prometheus.Gauge(f"asl_edge_{name}", help_text, labels, registry=self._registry)

        def histogram(name: str, help_text: str) -> prometheus.Histogram:
            return prometheus.Histogram(
                f"asl_edge_{name}", help_text, registry=self._registry, buckets=BUCKETS_S
            )

        self._offered = counter("frames_offered", "Frames that the camera offered")
        self._read = counter("frames_read", "Frames that the network read")
        self._dropped = counter("frames_dropped", "Frames that the camera offered and nobody read")
        self._still_s = counter("still_seconds", "Time without movement, in which no frame was read")
        self._letters = counter("letters", "Letters that were read", ("letter",))
        self._why = counter("frames_without_letter", "Frames without a letter, by the reason", ("why",))
        self._restarts = counter("camera_restarts", "How often the camera was reopened")
        self._waiting_s = histogram("waiting_seconds", "From a frame's capture until the network took it")
        self._reading_s = histogram(
            "reading_seconds", "Finding the hand and reading the letter, for each frame"
        )
        self._page = {name: counter(f"page_{name}", help_text) for name, help_text in PAGE_COUNTS.items()}
        self._camera = gauge("camera_state", "1 for the camera's current state", ("state",))
        self._age_s = gauge("frame_age_seconds", "Time since the newest frame was captured")
        self._rate = gauge("frames_per_second", "Frames read a second, over the last two seconds")
        self._temperature_c = None  # a board without a sensor gets no gauge
        if read_temperature_c() is not None:
            self._temperature_c = gauge("temperature_celsius", "Temperature of the board's warmest zone")
        model_info = prometheus.Info("asl_edge_model", "The model in use", registry=self._registry)
        model_info.info({"created": model.created, "sha256": model.sha256, "variant": model.variant})
        build = prometheus.Info("asl_edge_build", "The program in use", registry=self._registry)
        build.info({"version": __version__})

    def __call__(self, snapshot: Snapshot) -> None:
        """Count a snapshot, in the loop's thread: a few microseconds."""
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

    def count_page(self, counts: dict[str, int]) -> None:
        """Add what the page counted of its clients since the last call, by the names in PAGE_COUNTS."""
        for name, count in counts.items():
            self._page[name].inc(count)

    def text(self) -> bytes:
        """Return the metrics in Prometheus' text format; in any thread."""
        snapshot = self._before
        if snapshot is not None:
            for state in STATES:
                self._camera.labels(state).set(state == snapshot.camera.status)
            self._age_s.set(snapshot.frame_age_s(time.monotonic()))
            self._rate.set(snapshot.fps)
        temperature = read_temperature_c()
        if temperature is not None and self._temperature_c is not None:
            self._temperature_c.set(temperature)
        return self._generate(self._registry)
