"""Which source trains, which validates, which tests: by source, never by image.

Pictures of one signer in one room are near-duplicates of each other; a split among them measures memory.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from edge.errors import DataError
from train.data.duplicates import clusters
from train.data.prepared import ROLES, Text

VALIDATION_SHARE = 0.15  # of a letter's pictures, where there is but one source
SPLIT_NAMES = ("train", "training", "test", "testing", "val", "valid", "validation")


def parse_split(split: Sequence[str]) -> dict[str, str]:
    """('anna=test', ...) -> {'anna': 'test'}; DataError where a role is unknown."""
    wanted = {}
    for text in split:
        source, _, role = text.rpartition("=")
        if not source or role not in ROLES:
            raise DataError(f"--split {text}: SOURCE=ROLE was wanted, ROLE one of {', '.join(ROLES)}")
        wanted[source] = role
    return wanted


def choose_roles(arrays: dict[str, Any], split: dict[str, str]) -> tuple[Text, list[str]]:
    """Index arrays and --split -> (N,) a role for every picture, and warnings."""
    role, source = arrays["role"].astype("U10"), arrays["source"]
    sources = sorted(set(source.tolist()))
    if unknown := sorted(set(split) - set(sources)):
        raise DataError(f"--split names the source '{unknown[0]}'; there are: {', '.join(sources)}")
    for name, wanted in split.items():
        role[source == name] = wanted
    warnings = []
    if splits := [name for name in sources if name.lower() in SPLIT_NAMES]:
        warnings.append(
            f"{', '.join(splits)}: named like a split, not like signers; if the same people are in them, "
            "every figure will flatter (NAME=FOLDER makes one source of a folder)"
        )
    for name in sources:  # pictures without a role go with the rest of their source
        given = role[(source == name) & (role != "")]
        if len(given):
            role[(source == name) & (role == "")] = max(ROLES, key=given.tolist().count)
    if (role == "").any():
        role, more = _fill(role, arrays, sources)
        warnings += more
    for name in sources:
        if len(several := sorted(set(role[source == name].tolist()))) > 1 and len(sources) > 1:
            warnings.append(
                f"source {name} has several roles ({', '.join(several)}): its figures will flatter"
            )
    for needed in ("train", "validation"):
        if not (role == needed).any():
            warnings.append(
                f"no picture has the role {needed}: name a source for it with --split SOURCE={needed}"
            )
    return role, warnings


def _fill(role: Text, arrays: dict[str, Any], sources: list[str]) -> tuple[Text, list[str]]:
    """Roles for sources that were given none."""
    source, letter = arrays["source"], arrays["letter"]
    empty = role == ""
    if len(sources) == 1:
        return _split_clusters(arrays), [
            f"all pictures are of one source ({sources[0]}): validation is a set of pictures without "
            "near-duplicates in training, but of the same signer, so its figures will flatter; "
            "prepare one folder a signer for honest ones"
        ]
    role = np.where(empty, "train", role)
    if (role == "validation").any():
        return role, []
    # The smallest of the sources with the most letters: it costs training least and still tests every letter.
    free = sorted(set(source[empty].tolist()))
    if len(free) == 1 and not (~empty & (role == "train")).any():
        return role, []
    chosen = min(free, key=lambda name: (-len(set(letter[source == name])), int((source == name).sum())))
    role[source == chosen] = "validation"
    return role, [
        f"no source was given the role validation: took {chosen}; choose with --split SOURCE=validation"
    ]


def _split_clusters(arrays: dict[str, Any]) -> Text:
    """Whole clusters of near-duplicates go to validation until it has its share of each letter."""
    cluster, letter = clusters(arrays["phash"]), arrays["letter"]
    order = np.random.default_rng(0).permutation(np.unique(cluster))
    taken: dict[str, int] = {}
    total = {name: int((letter == name).sum()) for name in set(letter.tolist())}
    chosen = []
    for number in order.tolist():
        names, counts = np.unique(letter[cluster == number], return_counts=True)
        after = {name: taken.get(name, 0) + int(n) for name, n in zip(names.tolist(), counts, strict=True)}
        if all(n <= VALIDATION_SHARE * total[name] for name, n in after.items()):
            taken.update(after)
            chosen.append(number)
    return np.where(np.isin(cluster, chosen), "validation", "train")
