"""MODEL_CARD.md, from the metadata alone: unseen signers first, then what flatters."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from edge.records import LETTERS
from train.evaluate.evaluate import SEEN, UNSEEN

NAME = "MODEL_CARD.md"
Metadata = dict[str, Any]

NOT_FOR = """\
- Not to interpret for anybody: not in medicine, before the law, in an emergency, at work or at school. \
It is no interpreter and no replacement for one.
- Not as American Sign Language: ASL is a language with a grammar of hands, face and space. This reads \
single fingerspelled letters and nothing else.
- Not to watch, recognise, grade or sort people, and not to decide anything about them.
- Not where a wrong letter does harm: the tables below say how often it is wrong."""

DYNAMIC = """\
`dynamic` gains nothing but its format. It quantises the two last layers alone, about 0.7 % of the \
weights; every convolution stays in float32, so that it is neither smaller nor faster than `float` (the \
table shows both). It is there for devices that run PyTorch anyway. What is small and fast is `int8`."""

OTHER_FIGURES = {
    "mean_recall": "mean recall of the letters",
    "answered": "given any letter",
    "box_found": "hand found (IoU 0.5)",
    "calibration_error": "calibration error",
    "answers_changed": "answers that differ from float",
}


def write_model_card(folder: Path, metadata: Metadata) -> None:
    """Write the card beside the metadata that it is made of."""
    parts = [part for section in SECTIONS for part in section(metadata)]
    text = "\n\n".join(parts) + "\n"
    (folder / NAME).write_text(text, encoding="utf-8", errors="backslashreplace")


def _head(metadata: Metadata) -> Iterator[str]:
    size_px = metadata["input"]["shape"][-1]
    yield "# Model card: asl_resnet18"
    yield (
        f"A ResNet-18 and MediaPipe's hand landmark network, two parts of one file, that look at the same "
        f"{size_px}x{size_px} px square of a picture and together answer three things: "
        "which letter of the American Sign Language alphabet the hand in it signs, whether there is a hand, "
        f"and where its 21 points lie. Made {metadata['created']}."
    )


def _unseen(metadata: Metadata) -> Iterator[str]:
    yield "## Signers it has never seen"
    folds = metadata["leave_one_out"]
    if not folds and any(part["signers"] == UNSEEN for part in metadata["accuracy"]):
        yield "Training left out some of the sources. This is how their pictures are read:"
        return
    if not folds:
        yield (
            "Not measured by leaving each source out in turn: nobody knows yet how well this network reads a "
            "new person. To measure it, train once a source with `python -m train fit --leave-out SOURCE`, "
            "export each, and export this one again with `--leave-one-out` and the folders of those packages."
        )
        return
    together = [fold["sources"] for fold in folds if len(fold["sources"]) > 1]
    how = " Left out together: " + "; ".join(", ".join(group) for group in together) + "." if together else ""
    yield (
        "This is the figure to expect of a new person with another camera. Each source (about one signer "
        "in one set of rooms) was left out once: the row says how a network trained by the "
        "commands below, which had never seen that source, read every one of its pictures, whole, as "
        f"`asl-edge predict` does. No hand or no letter found counts as wrong.{how}"
    )
    variants = _variants_of_all(folds)
    by_source = sorted((source, fold["variants"]) for fold in folds for source in fold["sources"])
    rows = []
    for source, its in by_source:
        first = its[variants[0]]["per_source"][source]
        accuracy = [_percent(its[v]["per_source"][source]["accuracy"]) for v in variants]
        found = [_percent(first["answered"]), _percent(first["box_found"])]
        found.append(_percent(metadata["calibration_error"][source]))
        rows.append([source, f"{first['pictures']:,}", *accuracy, *found])
    means = [
        _percent(_mean(its[v]["per_source"][source]["accuracy"] for source, its in by_source))
        for v in variants
    ]
    rows.append(["**mean of the sources**", "", *[f"**{mean}**" for mean in means], "", "", ""])
    head = ["given any letter", "hand found (IoU 0.5)", "calibration error"]
    yield _table(["source left out", "pictures", *variants, *head], rows)
    yield (
        f"Confidence is a softmax at temperature {metadata['temperature']:g}, which agrees best with these "
        "sources, each weighing the same and none of the test role among them. The calibration error of a "
        "source is that at the temperature which the others ask for."
    )
    yield f"Share of each letter's pictures read right (`{variants[0]}`), by the sources left out:"
    yield _letters([(" + ".join(f["sources"]), f["variants"][variants[0]]["recall"]) for f in folds])
    yield "The commands of each:"
    yield "```\n" + "\n".join(_commands(fold) for fold in folds) + "\n```"


def _limits(metadata: Metadata) -> Iterator[str]:
    sources = metadata["training"].get("sources", [])
    folds = [name for fold in metadata["leave_one_out"] for name in fold["sources"]]
    people = len({*sources, *folds, *[name for part in metadata["accuracy"] for name in part["sources"]]})
    yield "## What these figures rest on"
    yield (
        f"- {people} {'source' if people == 1 else 'sources'}, so about as many people. That is very few: "
        "hands, skin, light, rooms and cameras differ more than these do.\n"
        "- A hand is found by MediaPipe's palm detector. Of sources whose points MediaPipe named, the "
        "pictures in which it found no hand may be missing: their figures flatter.\n"
        "- No signer among them is known to be a native one.\n"
        "- J and Z are motions. They are read here from stills, in which J looks like an I turned and Z "
        "like a D: their figures say little of how the motion is read.\n"
        "- M, N, S and T, A and E, U, R and V, K and P, G and Q look alike, and people form them differently."
    )
    yield "## What it must not be used for"
    yield NOT_FOR


def _files(metadata: Metadata) -> Iterator[str]:
    latency = metadata["latency_ms"]
    rows = []
    for variant, size in metadata["measured_bytes"].items():
        entry = metadata["files"].get(variant)
        name = f"`{entry['name']}`" if entry else "measured, not in this package"
        how = entry["quantisation"] if entry else ""
        rows.append([f"`{variant}`", name, f"{size / 1e6:.1f} MB", f"{latency['median'][variant]} ms", how])
    yield "## Files"
    yield _table(["variant", "file", "size", "one reading", "quantisation"], rows)
    yield (
        f"One reading is the median of {latency['runs']} on {latency['threads']} thread of the workstation "
        f"that exported ({latency['processor']}); a board's own figure comes from a board."
    )
    if "dynamic" in metadata["measured_bytes"]:
        yield DYNAMIC


def _accuracy_unseen(metadata: Metadata) -> Iterator[str]:
    for part in metadata["accuracy"]:
        if part["signers"] != SEEN:
            yield from _accuracy(part, metadata)


def _accuracy_seen(metadata: Metadata) -> Iterator[str]:
    for part in metadata["accuracy"]:
        if part["signers"] == SEEN:
            yield from _accuracy(part, metadata)


def _accuracy(part: Metadata, metadata: Metadata) -> Iterator[str]:
    yield f"## Measured at export: {part['signers']}"
    if part["signers"] == SEEN:
        yield (
            "**These figures flatter.** Training saw these signers, in these rooms, and mostly these "
            "very pictures: they show that export lost nothing, not how a new person is read."
        )
    variants = part["variants"]
    names = list(variants)
    rows = [["all", f"{part['pictures']:,}", *[_percent(variants[v]["accuracy"]) for v in names]]]
    for source, figures in variants[names[0]]["per_source"].items():
        shares = [_percent(variants[v]["per_source"][source]["accuracy"]) for v in names]
        rows.append([source, f"{figures['pictures']:,}", *shares])
    for key, title in OTHER_FIGURES.items():
        rows.append([title, "", *[_percent(variants[v][key]) for v in names]])
    yield _table(["source", "pictures", *names], rows)
    yield "Share of each letter's pictures read right:"
    yield _letters([(v, variants[v]["recall"]) for v in names])
    yield "The command:"
    yield f"```\n{metadata['export']['command']}\n```"


def _making(metadata: Metadata) -> Iterator[str]:
    training, versions = metadata["training"], metadata["versions"]
    yield "## How it was made"
    saw = ", ".join(training.get("sources", [])) or "drawn hands alone"
    took = f", {training['seconds'] / 60:.0f} minutes" if training.get("seconds") else ""
    where = f" on a {training['device'].upper()}" if training.get("device") else ""
    learned = training.get("options", {}).get("blocks_epochs", 0)
    its_own = "in its last blocks alone" if learned else "not at all"
    made = training.get("crops", {}).get("synthetic_share", 0)
    beside = f"; {made:.0%} of the crops show made hands" if made else ""
    yield (
        f"Trained on {saw} ({training.get('pictures', 0):,} pictures{took}{where}{beside}), taught by "
        "MediaPipe's hand landmark network, which has seen the hands of people that nobody here knows of, "
        f"and which itself was trained further {its_own}:"
    )
    yield f"```\n{training.get('command', 'not known')}\n```"
    if metadata["quantisation_trials"]:
        yield "Ways to quantise that were tried on pictures of no test source, against float32:"
        rows = [
            [
                f"**{t['recipe']}** (taken)" if t["chosen"] else t["recipe"],
                _percent(t["agreement"]),
                f"{t['cost_points']:.2f}",
                f"{t['logits_rms']:.3f}",
            ]
            for t in metadata["quantisation_trials"]
        ]
        yield _table(["recipe", "letters that stay", "points lost", "rms of the logits' change"], rows)
    yield "Made with " + ", ".join(f"{name} {version}" for name, version in versions.items()) + "."


SECTIONS: tuple[Callable[[Metadata], Iterator[str]], ...] = (
    _head, _unseen, _accuracy_unseen, _limits, _files, _accuracy_seen, _making,
)  # fmt: skip


def _variants_of_all(folds: Sequence[Metadata]) -> list[str]:
    return [v for v in folds[0]["variants"] if all(v in fold["variants"] for fold in folds)]


def _commands(fold: Metadata) -> str:
    took = f"  # {fold['train_seconds'] / 60:.0f} minutes" if fold["train_seconds"] else ""
    return f"{fold['train_command']}{took}\n{fold['export_command']}"


def _letters(columns: Sequence[tuple[str, dict[str, float | None]]]) -> str:
    rows = [[letter, *[_percent(recall[letter]) for _, recall in columns]] for letter in LETTERS]
    return _table(["letter", *[name for name, _ in columns]], rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _mean(values: Iterator[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
