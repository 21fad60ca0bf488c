import cv2
import numpy as np
from support.made_pictures import scene

from train.data.duplicates import MAX_DISTANCE, find_across, find_clusters, find_near_pairs, perceptual_hash


def bits(one: int, other: int) -> int:
    return (one ^ other).bit_count()


def test_same_picture_smaller_darker_and_compressed_is_a_near_duplicate() -> None:
    image = scene(1, 240, 200)
    small = cv2.resize(image, (120, 144), interpolation=cv2.INTER_AREA)
    dark = (image * 0.7).astype(np.uint8)
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 30])
    compressed = cv2.imdecode(data, cv2.IMREAD_COLOR)
    for copy in (small, dark, compressed):
        assert bits(perceptual_hash(image), perceptual_hash(np.asarray(copy, np.uint8))) <= MAX_DISTANCE


def test_different_scenes_are_not_near_duplicates() -> None:
    hashes = np.array([perceptual_hash(scene(seed)) for seed in range(60)], np.uint64)
    assert len(find_near_pairs(hashes)) == 0


def test_picture_of_one_colour_has_a_hash() -> None:
    assert perceptual_hash(np.full((32, 32, 3), 200, np.uint8)) in range(2**64)


def test_near_pairs_equal_a_pairwise_comparison() -> None:
    rng = np.random.default_rng(0)
    base = rng.integers(0, 2**64, 30, dtype=np.uint64)
    flips = np.array(
        [sum(1 << int(b) for b in rng.choice(64, k, replace=False)) for k in range(12)], np.uint64
    )
    hashes = (base[:, None] ^ flips).ravel()
    expected = {
        (i, j)
        for i in range(len(hashes))
        for j in range(i + 1, len(hashes))
        if bits(int(hashes[i]), int(hashes[j])) <= 6
    }
    assert len(expected) > 100
    assert {(int(i), int(j)) for i, j in find_near_pairs(hashes, 6)} == expected


def test_chain_of_near_duplicates_is_one_cluster() -> None:
    chain = [0b0, 0b111111, 0b111111_111111]  # the ends differ in 12 bits, neighbours in 6
    far = [2**63 - 1]
    numbers = find_clusters(np.array(chain + far + chain[:1], np.uint64))
    assert numbers[0] == numbers[1] == numbers[2] == numbers[4]
    assert numbers[3] != numbers[0]


def test_pictures_with_a_twin_on_the_other_side_are_found() -> None:
    hashes = np.array([0b0, 0b1, 2**63 - 1, 2**40 - 1, 2**40 - 1], np.uint64)
    side = np.array(["train", "test", "test", "train", "train"])
    rows, twins = find_across(hashes, side)
    assert rows.tolist() == [0, 1]
    assert twins.tolist() == [1, 0]


def test_equal_pictures_on_both_sides_are_twins() -> None:
    rows, twins = find_across(np.array([7, 7, 7], np.uint64), np.array(["train", "test", "train"]))
    assert rows.tolist() == [0, 1, 2]
    assert twins.tolist()[0] == twins.tolist()[2] == 1
    assert twins.tolist()[1] in (0, 2)
