"""What a network starts from."""

from pathlib import Path
from urllib.error import URLError

from torchvision.models import ResNet18_Weights

from edge.errors import DataError
from train.checkpoint import load_checkpoint
from train.model import AslNet


def start_model(init: str) -> AslNet:
    """`imagenet` (torchvision's weights, downloaded), `scratch`, or a checkpoint's path -> AslNet.

    With `imagenet` the last layer is new; a checkpoint brings its own.
    """
    if init == "scratch":
        return AslNet()
    if init != "imagenet":
        return load_checkpoint(Path(init)).model
    model = AslNet()
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
