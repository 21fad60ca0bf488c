"""The landmark network keeps its published outputs, and its maps teach the ResNet."""

import numpy as np
import onnxruntime as ort
import pytest
import torch

from edge.engines.golden import golden_picture
from edge.hand.palm_detector import MODEL_FILE as PALMS
from train.fit.distill import DistillNet
from train.fit.loss import normalise
from train.model.landmark_network import HandNetwork
from train.model.landmarker import (
    FEATURES,
    HINTS,
    MIDDLE,
    MIDDLE_SHAPE,
    N_FEATURES,
    SIZE_PX,
    Landmarker,
    pool,
)
from train.model.landmarker import FILE as LANDMARKS
from train.model.network import AslNet, SpatialMoments


def test_landmarker_returns_the_arrays_that_crops_store():
    maps = Landmarker()(np.zeros((SIZE_PX, SIZE_PX, 3), np.uint8))
    assert {name: values.shape for name, values in maps.items()} == HINTS | {
        MIDDLE: MIDDLE_SHAPE,
        FEATURES: (N_FEATURES,),
        "landmarks": (21, 2),
    }


@pytest.mark.parametrize(
    ("file", "size_px", "first", "mean"),
    [(LANDMARKS, 224, [104.4577, 182.2764], 71.2322), (PALMS, 192, [5.0147, 3.2690], 4.6560)],
)
def test_converted_networks_give_the_outputs_of_tensorflow_lite(file, size_px, first, mean):
    """Expected values: the golden picture in MediaPipe 0.10.21's files, run by ai-edge-litert 2.3."""
    session = ort.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    picture = (golden_picture(size_px).astype(np.float32) / 255).transpose(2, 0, 1)[None]
    output = session.run(["output_0"], {"image": np.ascontiguousarray(picture)})[0]
    assert output.reshape(-1)[:2].tolist() == pytest.approx(first, rel=1e-3)
    assert float(output.mean()) == pytest.approx(mean, rel=1e-3)


def test_torch_module_gives_the_outputs_of_the_file():
    picture = golden_picture(SIZE_PX)
    image = np.ascontiguousarray((picture.astype(np.float32) / 255).transpose(2, 0, 1)[None])
    session = ort.InferenceSession(str(LANDMARKS), providers=["CPUExecutionProvider"])
    landmarks, last = session.run(["output_0", "at_32"], {"image": image})
    landmarks = landmarks.reshape(21, 3)[:, :2] / SIZE_PX
    network, stored = HandNetwork(), Landmarker()(picture)
    middle = torch.from_numpy(stored[MIDDLE])[None]
    np.testing.assert_allclose(stored[FEATURES], last[0].mean(axis=(1, 2)), rtol=1e-6)
    with torch.no_grad():
        for features, predicted_landmarks in (network(torch.from_numpy(image)), network.last_blocks(middle)):
            np.testing.assert_allclose(features[0].numpy(), last[0].mean(axis=(1, 2)), atol=1e-3)
            np.testing.assert_allclose(predicted_landmarks[0].numpy(), landmarks, atol=1e-4)


def test_merged_last_layer_gives_the_weighted_sum_of_both_parts():
    torch.manual_seed(0)
    network = AslNet().eval()
    x = torch.randn(2, 3, 96, 96)
    with torch.no_grad():
        for layer, upright in zip(network.last_layers(), (torch.zeros(1), torch.ones(1)), strict=True):
            logits = layer(network.features(x, upright)[0])
            letters, presence, _ = network(x, upright)
            torch.testing.assert_close(logits[:, :-1], letters)
            torch.testing.assert_close(logits[:, -1:], presence)


def test_pooling_equals_adaptive_average_pooling():
    maps = np.random.default_rng(0).random((5, 7, 7), np.float32)
    for cells in (3, 7):
        expected = torch.nn.functional.adaptive_avg_pool2d(torch.from_numpy(maps), cells).numpy()
        np.testing.assert_allclose(pool(maps, cells), expected, atol=1e-6)


def test_student_learns_the_maps_of_the_teacher():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = DistillNet(AslNet()).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    batch = normalise(torch.randint(0, 256, (8, 64, 64, 3), dtype=torch.uint8))
    targets = [torch.randn(8, *shape) for shape in HINTS.values()]
    hints = []
    for _ in range(8):
        _, hint = network(batch, targets)
        optimizer.zero_grad()
        hint.backward()
        optimizer.step()
        hints.append(float(hint.detach()))
    assert hints[-1] < 0.9 * hints[0]


@pytest.mark.parametrize("size_px", [32, 96, 128])
def test_crops_of_any_size_have_a_hint_loss(size_px):
    outputs, hint = DistillNet(AslNet())(
        torch.randn(2, 3, size_px, size_px), [torch.randn(2, *shape) for shape in HINTS.values()]
    )
    assert [tuple(output.shape) for output in outputs] == [(2, 26), (2, 1), (2, 21, 2)]
    assert 0.5 < hint.item() < 2


def test_spatial_moments_give_strength_and_position():
    maps = torch.zeros(1, 2, 3, 3)
    maps[0, 0] = 1.0  # everywhere
    maps[0, 1, 2, 0] = 9.0  # bottom left
    assert SpatialMoments()(maps)[0].tolist() == pytest.approx([1, 1, 0, -1, 0, 1], abs=1e-6)
