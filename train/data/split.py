"""Assign pictures to train, validation and test: by source, never by picture.

Pictures of one signer in one room are near-duplicates of each other; a split among them measures memory.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from edge.errors import DataError
from train.data.duplicates import find_clusters
from train.data.prepared import SPLITS, Text

VALIDATION_FRACTION = 0.15  # of each letter's pictures if there is only one source
SPLIT_LIKE_NAMES = ("train", "training", "test", "testing", "val", "valid", "validation")


def parse_split(flags: Sequence[str]) -> dict[str, str]:
    """Parse ('anna=test', ...) into {'anna': 'test'}; raise DataError for an unknown split."""
    requested = {}
    for text in flags:
        source, _, split = text.rpartition("=")
        if not source or split not in SPLITS:
            raise DataError(f"--split must be SOURCE=SPLIT with SPLIT one of {', '.join(SPLITS)}, got {text}")
        requested[source] = split
    return requested


def assign_splits(arrays: dict[str, Any], requested: dict[str, str]) -> tuple[Text, list[str]]:
    """Return the (N,) split of every picture, and warnings.

    `requested` overrides the manifest; pictures that neither names go with the rest of their source.
    Raises DataError if `requested` names an unknown source.
    """
    split, source = arrays["split"].astype("U10"), arrays["source"]
    sources = sorted(set(source.tolist()))
    if unknown := sorted(set(requested) - set(sources)):
        raise DataError(f"--split names the source '{unknown[0]}'; there are: {', '.join(sources)}")
    for name, wanted in requested.items():
        split[source == name] = wanted
    warnings = _warn_of_names(sources)
    for name in sources:
        given = split[(source == name) & (split != "")]
        if len(given):
            split[(source == name) & (split == "")] = max(SPLITS, key=given.tolist().count)
    if (split == "").any():
        split, more = _fill_empty(split, arrays, sources)
        warnings += more
    return split, warnings + _warn_of_splits(split, source, sources)


def _warn_of_names(sources: list[str]) -> list[str]:
    if not (suspicious := [name for name in sources if name.lower() in SPLIT_LIKE_NAMES]):
        return []
    return [
        f"{', '.join(suspicious)}: named like a split, not like signers; if they show the same people, "
        "every accuracy will be too high (NAME=FOLDER makes one source of a folder)"
    ]


def _warn_of_splits(split: Text, source: Text, sources: list[str]) -> list[str]:
    warnings = []
    for name in sources:
        if len(several := sorted(set(split[source == name].tolist()))) > 1 and len(sources) > 1:
            warnings.append(
                f"source {name} is in several splits ({', '.join(several)}): its accuracy will be too high"
            )
    for needed in ("train", "validation"):
        if not (split == needed).any():
            warnings.append(f"the split {needed} is empty: name a source for it with --split SOURCE={needed}")
    return warnings


def _fill_empty(split: Text, arrays: dict[str, Any], sources: list[str]) -> tuple[Text, list[str]]:
    """Assign the sources that have no split yet."""
    source, letter = arrays["source"], arrays["letter"]
    empty = split == ""
    if len(sources) == 1:
        return _split_clusters(arrays), [
            f"all pictures are of one source ({sources[0]}): the validation pictures have no near-duplicate "
            "in training but show the same signer, so every accuracy will be too high; "
            "prepare one folder per signer to measure new signers"
        ]
    split = np.where(empty, "train", split)
    if (split == "validation").any():
        return split, []
    free = sorted(set(source[empty].tolist()))
    if len(free) == 1 and not (~empty & (split == "train")).any():
        return split, []
    # The smallest of the sources with the most letters costs training least and still tests every letter.
    chosen = min(free, key=lambda name: (-len(set(letter[source == name])), int((source == name).sum())))
    split[source == chosen] = "validation"
    return split, [
        f"no source was assigned to validation: took {chosen}; choose with --split SOURCE=validation"
    ]


def _split_clusters(arrays: dict[str, Any]) -> Text:
    """Move whole clusters of near-duplicates to validation, up to VALIDATION_FRACTION of each letter."""
    cluster, letter = find_clusters(arrays["phash"]), arrays["letter"]
    order = np.random.default_rng(0).permutation(np.unique(cluster))
    taken: dict[str, int] = {}
    total = {name: int((letter == name).sum()) for name in set(letter.tolist())}
    chosen = []
    for number in order.tolist():
        names, counts = np.unique(letter[cluster == number], return_counts=True)
        after = {name: taken.get(name, 0) + int(n) for name, n in zip(names.tolist(), counts, strict=True)}
        if all(n <= VALIDATION_FRACTION * total[name] for name, n in after.items()):
            taken.update(after)
            chosen.append(number)
    return np.where(np.isin(cluster, chosen), "validation", "train")
