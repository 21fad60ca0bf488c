"""The model card's section on how the network was made."""

from collections.abc import Iterator
from typing import Any

from export.card_tables import format_percent, format_table

Metadata = dict[str, Any]


def describe_training(metadata: Metadata) -> Iterator[str]:
    """Yield how the network was made, as far as it is known."""
    training = metadata["training"]
    yield "## How it was made"
    if origin := training.get("origin"):
        yield f"The checkpoint {origin}."
    else:
        yield from _describe_fit(training)
    yield from _describe_versions(metadata)


def _describe_fit(training: Metadata) -> Iterator[str]:
    sources = ", ".join(training.get("sources", [])) or "synthetic hands only"
    took = f", {training['seconds'] / 60:.0f} minutes" if training.get("seconds") else ""
    where = f" on a {training['device'].upper()}" if training.get("device") else ""
    synthetic = training.get("crops", {}).get("synthetic_share", 0)
    beside = f"; {synthetic:.0%} of the crops show synthetic hands" if synthetic else ""
    finetuned = training.get("options", {}).get("blocks_epochs", 0)
    tuned = "only its last blocks were finetuned" if finetuned else "it was not finetuned"
    yield (
        f"Trained on {sources} ({training.get('pictures', 0):,} pictures{took}{where}{beside}). The ResNet "
        "was also trained to predict the feature maps of MediaPipe's hand landmark network. That network "
        f"comes from MediaPipe, trained on pictures that are unknown here; {tuned}:"
    )
    yield f"```\n{training.get('command', 'not known')}\n```"


def _describe_versions(metadata: Metadata) -> Iterator[str]:
    if metadata["quantisation_trials"]:
        yield "Quantisation recipes that were tried on pictures outside the test split, against float32:"
        yield format_table(
            ["recipe", "letters that stay", "points lost", "rms of the logits' change"],
            [_format_trial(trial) for trial in metadata["quantisation_trials"]],
        )
    versions = metadata["versions"]
    yield "Made with " + ", ".join(f"{name} {version}" for name, version in versions.items()) + "."


def _format_trial(trial: Metadata) -> list[str]:
    return [
        f"**{trial['recipe']}** (chosen)" if trial["chosen"] else trial["recipe"],
        format_percent(trial["agreement"]),
        f"{trial['cost_points']:.2f}",
        f"{trial['logits_rms']:.3f}",
    ]
