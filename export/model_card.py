"""Write MODEL_CARD.md from the metadata: accuracy on unseen signers first, seen signers last."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from export.card_tables import average, format_letters, format_percent, format_table
from export.card_training import describe_training
from train.evaluate.evaluate import SEEN, UNSEEN

NAME = "MODEL_CARD.md"
Metadata = dict[str, Any]

NOT_FOR = """\
- Interpreting for anybody: not in medicine, before the law, in an emergency, at work or at school. It is \
no interpreter and no replacement for one.
- American Sign Language: ASL is a language with a grammar of hands, face and space. This model reads \
single fingerspelled letters and nothing else.
- Watching, recognising, grading or sorting people, or deciding anything about them.
- Any use in which a wrong letter does harm: the tables of this card show how often it is wrong."""

DYNAMIC = """\
`dynamic` differs from `float` in its format only. It quantises the two last layers alone, about 0.7 % of \
the weights. Every convolution stays in float32, so it is neither smaller nor faster than `float`, as the \
table shows. It is meant for devices that run PyTorch anyway. The small and fast variant is `int8`."""

OTHER_METRICS = {
    "accuracy_moving": "stills of J and Z",
    "mean_recall": "mean recall of the letters",
    "answered": "given any letter",
    "box_found": "hand found (IoU 0.5)",
    "calibration_error": "calibration error",
    "answers_changed": "letters that differ from float",
}


def write_model_card(folder: Path, metadata: Metadata) -> None:
    """Write the card into the folder of the metadata that it is made of."""
    parts = [part for section in SECTIONS for part in section(metadata)]
    text = "\n\n".join(parts) + "\n"
    (folder / NAME).write_text(text, encoding="utf-8", errors="backslashreplace")


def _introduce(metadata: Metadata) -> Iterator[str]:
    size_px = metadata["input"]["shape"][-1]
    yield "# Model card: asl_resnet18"
    yield (
        f"A ResNet-18 and MediaPipe's hand landmark network in one file. Both read the same "
        f"{size_px}x{size_px} px square of a picture, and together they give the letter of the American Sign "
        "Language alphabet that the hand signs, whether there is a hand, and the hand's 21 landmarks. "
        f"Made {metadata['created']}."
    )


def _report_leave_one_out(metadata: Metadata) -> Iterator[str]:
    yield "## Unseen signers"
    folds = metadata["leave_one_out"]
    if folds:
        yield from _report_folds(metadata, folds)
    elif "origin" in metadata["training"]:
        yield (
            "Not known: nobody knows here whom the network was trained on. If you know, measure it on the "
            "pictures of others with `python -m export --sources`."
        )
    elif any(section["signers"] == UNSEEN for section in metadata["accuracy"]):
        yield "Training left out some of the sources. This is the accuracy on their pictures:"
    else:
        yield (
            "Not measured by leaving out each source in turn, so the accuracy for a new person is unknown. "
            "To measure it, train once per source with `python -m train fit --leave-out SOURCE`, export "
            "each checkpoint, and export this one again with `--leave-one-out` and the folders of those "
            "packages."
        )


def _report_folds(metadata: Metadata, folds: Sequence[Metadata]) -> Iterator[str]:
    groups = [", ".join(fold["sources"]) for fold in folds if len(fold["sources"]) > 1]
    together = f" Left out together: {'; '.join(groups)}." if groups else ""
    yield (
        "This is the accuracy to expect for a new person with another camera, on the 24 letters that don't "
        "move; J and Z are movements, and a still shows one moment of them. Each source (about one signer "
        "in one set of rooms) was left out once. Its row gives the result of a network that was trained by "
        "the commands below without that source and read every one of its pictures whole, as "
        f"`asl-edge predict` does. A picture without a found hand or letter counts as wrong.{together}"
    )
    yield (
        "**Choices were made on these sources**: the recipe of training, and the temperature, so the table "
        "is slightly too good. Measure a new person before you rely on it."
    )
    variants = [v for v in folds[0]["variants"] if all(v in fold["variants"] for fold in folds)]
    first = variants[0]
    yield _tabulate_folds(metadata, folds, variants)
    yield (
        f"Confidence is a softmax at temperature {metadata['temperature']:g}, chosen on these sources "
        "without the test split, each source weighing the same. The calibration error of a source is "
        "measured at the temperature that the sources of the other folds choose."
    )
    yield f"Fraction of each letter's pictures read right (`{first}`), by the sources left out:"
    yield format_letters([(" + ".join(f["sources"]), f["variants"][first]["recall"]) for f in folds])
    yield "The commands of each:"
    yield "```\n" + "\n".join(_format_commands(fold) for fold in folds) + "\n```"


def _tabulate_folds(metadata: Metadata, folds: Sequence[Metadata], variants: Sequence[str]) -> str:
    by_source = sorted((source, fold["variants"]) for fold in folds for source in fold["sources"])
    first = variants[0]
    rows = []
    for source, measured in by_source:
        one = measured[first]["per_source"][source]
        still = [measured[variant]["per_source"][source]["accuracy_still"] for variant in variants]
        others = (
            one["accuracy_moving"],
            one["answered"],
            one["box_found"],
            metadata["calibration_error"][source],
        )
        rows.append([source, f"{one['pictures']:,}", *map(format_percent, (*still, *others))])
    means = [
        average(measured[variant]["per_source"][source]["accuracy_still"] for source, measured in by_source)
        for variant in variants
    ]
    moving = average(
        measured[first]["per_source"][source]["accuracy_moving"] for source, measured in by_source
    )
    calibration = average(metadata["calibration_error"][source] for source, _ in by_source)
    cells = [*map(format_percent, (*means, moving)), "", "", format_percent(calibration)]
    rows.append(["**mean of the sources**", "", *[f"**{cell}**" if cell else "" for cell in cells]])
    head = ["stills of J and Z", "given any letter", "hand found (IoU 0.5)", "calibration error"]
    return format_table(["source left out", "pictures", *variants, *head], rows)


def _format_commands(fold: Metadata) -> str:
    took = f"  # {fold['train_seconds'] / 60:.0f} minutes" if fold["train_seconds"] else ""
    return f"{fold['train_command']}{took}\n{fold['export_command']}"


def _list_limits(metadata: Metadata) -> Iterator[str]:
    trained = metadata["training"].get("sources", [])
    folds = [name for fold in metadata["leave_one_out"] for name in fold["sources"]]
    measured = [name for section in metadata["accuracy"] for name in section["sources"]]
    sources = len({*trained, *folds, *measured})
    yield "## Limits of these results"
    yield (
        f"{_count_people(metadata, sources)}\n"
        "- Hands are found by MediaPipe's palm detector. Sources whose landmarks came from MediaPipe may "
        "lack the pictures in which it found no hand, so their accuracy may be too high.\n"
        "- No signer among them is known to be a native signer.\n"
        "- J and Z are read here from stills, in which J looks like a rotated I and Z like a D; the results "
        "say little about how the movement is read.\n"
        "- M, N, S and T, A and E, U, R and V, K and P, G and Q look alike, and people form them differently."
    )
    yield "## What it must not be used for"
    yield NOT_FOR


def _count_people(metadata: Metadata, sources: int) -> str:
    if "origin" in metadata["training"]:
        return "- Nobody knows here whom the network was trained on; some of them may be in these tables."
    return (
        f"- {sources} {'source' if sources == 1 else 'sources'}, so about as many people. That is very few: "
        "hands, skin, light, rooms and cameras differ more than these do."
    )


def _list_files(metadata: Metadata) -> Iterator[str]:
    latency = metadata["latency_ms"]
    rows = []
    for variant, size in metadata["measured_bytes"].items():
        entry = metadata["files"].get(variant)
        name = f"`{entry['name']}`" if entry else "measured, not in this package"
        how = entry["quantisation"] if entry else ""
        rows.append([f"`{variant}`", name, f"{size / 1e6:.1f} MB", f"{latency['median'][variant]} ms", how])
    yield "## Files"
    yield format_table(["variant", "file", "size", "one inference", "quantisation"], rows)
    yield (
        f"The time of an inference is the median of {latency['runs']} with {latency['threads']} thread on "
        f"the workstation that exported the package ({latency['processor']}), not on a board."
    )
    if "dynamic" in metadata["measured_bytes"]:
        yield DYNAMIC


def _report_unseen(metadata: Metadata) -> Iterator[str]:
    for section in metadata["accuracy"]:
        if section["signers"] != SEEN:
            yield from _report_accuracy(section, metadata)


def _report_seen(metadata: Metadata) -> Iterator[str]:
    for section in metadata["accuracy"]:
        if section["signers"] == SEEN:
            yield from _report_accuracy(section, metadata)


def _report_accuracy(section: Metadata, metadata: Metadata) -> Iterator[str]:
    yield f"## Measured at export: {section['signers']}"
    if section["signers"] == SEEN:
        yield (
            "**These results are too good.** Training saw these signers in these rooms, and mostly these "
            "very pictures. They show that export lost nothing, not how a new person is read."
        )
    variants = section["variants"]
    names = list(variants)
    overall = [format_percent(variants[v]["accuracy_still"]) for v in names]
    rows = [["24 letters that don't move", f"{section['pictures']:,}", *overall]]
    for source, measured in variants[names[0]]["per_source"].items():
        accuracies = [format_percent(variants[v]["per_source"][source]["accuracy_still"]) for v in names]
        rows.append([source, f"{measured['pictures']:,}", *accuracies])
    for key, title in OTHER_METRICS.items():
        rows.append([title, "", *[format_percent(variants[v][key]) for v in names]])
    yield format_table(["source", "pictures", *names], rows)
    yield "Fraction of each letter's pictures read right:"
    yield format_letters([(v, variants[v]["recall"]) for v in names])
    yield "The command:"
    yield f"```\n{metadata['export']['command']}\n```"


def _list_origins(metadata: Metadata) -> Iterator[str]:
    if rows := metadata.get("origins"):
        yield "## Whose pictures it learned from"
        yield format_table(
            ["source", "origin", "licence", "in the name of"],
            [[row[name] for name in ("source", "origin", "licence", "in_the_name_of")] for row in rows],
        )
        yield "The pictures themselves are not in the package."


SECTIONS: tuple[Callable[[Metadata], Iterator[str]], ...] = (
    _introduce, _report_leave_one_out, _report_unseen, _list_limits, _list_files, _report_seen,
    _list_origins, describe_training,
)  # fmt: skip
