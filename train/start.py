"""What a network starts from."""

from pathlib import Path
from urllib.error import URLError

from torchvision.models import ResNet18_Weights

from edge.errors import DataError
from train.checkpoint import load_checkpoint
from train.lite0 import Lite0Net, load_lite0
from train.model import AslNet
from train.teacher import Teacher


def start_model(network: str, init: str) -> AslNet | Lite0Net:
    """`imagenet` (weights that torchvision downloads, or a package ships), `scratch`, or a checkpoint's path.

    With `imagenet` the last layer is new; a checkpoint brings its own.
    """
    if init not in ("scratch", "imagenet"):
        model = load_checkpoint(Path(init)).model
        if model.name != network:
            raise DataError(f"{init} holds a {model.name}: say --network {model.name}, or another --init")
        return model
    if network == Lite0Net.name:
        if init == "scratch":
            raise DataError("--network lite0 is there to bring its ImageNet weights: choose --init imagenet")
        return Lite0Net(load_lite0())
    return _resnet18(init)


def start_teacher(name: str) -> Teacher | None:
    """`none`, `lite0` (as ImageNet left it), or the checkpoint of a Lite0 that was fine-tuned."""
    if name == "none":
        return None
    if name == Lite0Net.name:
        return Teacher(Lite0Net(load_lite0()), names_letters=False)
    model = load_checkpoint(Path(name)).model
    if not isinstance(model, Lite0Net):
        raise DataError(f"{name} holds a {model.name}: a teacher is trained with fit --network lite0")
    return Teacher(model, names_letters=True)


def _resnet18(init: str) -> AslNet:
    model = AslNet()
    if init == "scratch":
        return model
    try:
        weights = ResNet18_Weights.IMAGENET1K_V1.get_state_dict(progress=True, check_hash=True)
    except (URLError, OSError, RuntimeError) as error:  # RuntimeError: a download that was cut short
        raise DataError(
            f"torchvision's ImageNet weights can't be downloaded ({error}): "
            "choose --init scratch, or --init FILE with a checkpoint of fit"
        ) from None
    trunk = {name: value for name, value in weights.items() if not name.startswith("fc.")}
    model.trunk.load_state_dict(trunk, strict=False)
    return model
