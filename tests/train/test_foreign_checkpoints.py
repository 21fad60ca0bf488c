"""Checkpoints that people bring: those of other programs are one sentence each, and their code never runs."""

import collections
import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torchvision.models import resnet18

from edge.errors import DataError
from export.__main__ import main as export
from train.model.init_weights import init_model
from train.model.landmarker import FILE
from train.model.plain_resnet import TEMPERATURE, load_any_checkpoint


def build_resnet(outputs: int = 26) -> torch.nn.Module:
    torch.manual_seed(0)
    model = resnet18()
    model.fc = torch.nn.Linear(512, outputs)
    return model.eval()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a checkpoint of each kind."""
    folder, model = tmp_path_factory.mktemp("checkpoints"), build_resnet()
    state = model.state_dict()
    parallel = collections.OrderedDict((f"module.{name}", value) for name, value in state.items())
    torch.save(model, folder / "whole.pth")
    torch.save(model, folder / "whole-old.pth", _use_new_zipfile_serialization=False)
    torch.save({"epoch": 3, "state_dict": parallel}, folder / "parallel.pth.tar")
    torch.save(parallel, folder / "parallel.pth")
    torch.save({"epoch": 3, "state_dict": state}, folder / "wrapped.pth")
    torch.save(build_resnet(29).state_dict(), folder / "more.pth")
    torch.save({"a": torch.zeros(3)}, folder / "other.pth")
    torch.save([1, 2], folder / "list.pth")
    torch.save({1: 2}, folder / "numbers.pth")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(model, torch.zeros(1, 3, 64, 64)).save(str(folder / "script.pt"))  # type: ignore[no-untyped-call]
    (folder / "lfs.pth").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 44\n")
    (folder / "text.pth").write_text("nothing")
    return folder


WHOLE = "holds a network with its code (torch.save of a module): save model.state_dict() instead"
KINDS = {
    "whole.pth": WHOLE,
    "whole-old.pth": WHOLE,
    "parallel.pth.tar": "was saved from a DataParallel: save model.module.state_dict()",
    "parallel.pth": "was saved from a DataParallel: save model.module.state_dict()",
    "wrapped.pth": "holds its weights beside other things: save its part 'state_dict' alone",
    "more.pth": "is a ResNet-18 with 29 outputs, expected 26, one for each letter from A to Z",
    "other.pth": "is a plain state_dict: `python -m export` packages that of a ResNet-18 with 26 outputs",
    "list.pth": "is not a checkpoint of `python -m train fit`",
    "numbers.pth": "is not a checkpoint of `python -m train fit`",
    "script.pt": "is TorchScript, a program for running a network",
    "lfs.pth": "is a pointer of Git LFS, not the file itself: run git lfs pull",
    "text.pth": "is not a checkpoint of `python -m train fit`",
}


@pytest.mark.parametrize("name", KINDS)
def test_checkpoint_of_another_program_is_one_sentence(
    folder: Path, name: str, capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    assert export(["--checkpoint", str(folder / name), "--data", "/nowhere", "--output", "/nowhere"]) == 2
    says = capfd.readouterr().err
    assert f"{folder / name} {KINDS[name]}" in says
    assert says.count("\n") == 1
    assert "weights_only" not in says
    assert not recwarn.list


def test_training_does_not_start_from_a_plain_state_dict(tmp_path: Path) -> None:
    torch.save(build_resnet().state_dict(), tmp_path / "asl_model.pth")
    with pytest.raises(DataError, match="is a plain state_dict: `python -m export` packages that of a"):
        init_model(str(tmp_path / "asl_model.pth"))


@pytest.mark.parametrize("zipped", [True, False])
def test_plain_state_dict_keeps_its_letters_and_gets_presence_and_landmarks_of_mediapipe(
    tmp_path: Path, zipped: bool
) -> None:
    original = build_resnet()
    path = tmp_path / "asl_model.pth"
    torch.save(original.state_dict(), path, _use_new_zipfile_serialization=zipped)
    checkpoint = load_any_checkpoint(path)
    model = checkpoint.model
    assert (checkpoint.size_px, checkpoint.presence_threshold) == (224, 0.5)
    assert 0 < TEMPERATURE < 1
    image = torch.rand(1, 3, 224, 224)
    normalised = (image - model.mean) / model.std
    session = onnxruntime.InferenceSession(str(FILE), providers=["CPUExecutionProvider"])
    landmarks, present = session.run(["output_0", "output_1"], {"image": image.numpy()})
    with torch.inference_mode():
        expected = original(normalised)
        for upright in (0.0, 1.0):
            letters, presence, points = model(normalised, torch.tensor([upright]))
            wanted = expected if upright == 0 else torch.zeros(1, 26)  # it was not trained on turned hands
            assert torch.allclose(letters, wanted, atol=1e-4)
            assert np.allclose(torch.sigmoid(presence).numpy(), present, atol=1e-4)
            assert np.allclose(points[0].numpy(), landmarks.reshape(21, 3)[:, :2] / 224, atol=1e-4)
