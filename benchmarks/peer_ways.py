"""The pipelines from a 640x480 frame to a letter that peers.py compares, each in an environment that has it.

A pipeline is called with (H, W, 3) RGB uint8, the fold whose people it must not know, and whether the frame
begins a new scene; it returns a letter or None.
"""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from edge.package import UPRIGHT, Package, open_package
from edge.preprocess import MEAN_RGB, STD_RGB
from edge.records import LETTERS, Array, Engine, Frame, Image, Output

Pipeline = Callable[[Image, str, bool], str | None]
SIZE_PX = 224


def original(models: Path, threads: int, scripted: bool = False) -> Pipeline:
    """The customer's first script: PIL, torchvision's transforms at 224 px, PyTorch, quantize_dynamic."""
    import warnings

    import PIL.Image
    import torch
    from torchvision import transforms
    from torchvision.models import resnet18

    warnings.simplefilter("ignore")
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    network = resnet18(num_classes=len(LETTERS)).eval()
    model = torch.ao.quantization.quantize_dynamic(network, {torch.nn.Linear}, torch.qint8)
    if scripted:
        model = torch.jit.freeze(torch.jit.trace(model, torch.zeros(1, 3, SIZE_PX, SIZE_PX)))
    steps = transforms.Compose(
        [
            transforms.Resize((SIZE_PX, SIZE_PX)),
            transforms.ToTensor(),
            transforms.Normalize(list(MEAN_RGB), list(STD_RGB)),
        ]
    )

    def pipeline(image: Image, fold: str, new: bool) -> str | None:
        with torch.no_grad():
            answer = model(steps(PIL.Image.fromarray(image)).unsqueeze(0))
        return LETTERS[int(answer.argmax())]

    return pipeline


def onnx_float(models: Path, threads: int) -> Pipeline:
    """The same network through onnxruntime, float32, with OpenCV before it."""
    import onnxruntime as ort

    from edge.preprocess import to_tensor

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = ort.InferenceSession(str(models / "resnet18.onnx"), options, providers=["CPUExecutionProvider"])

    def pipeline(image: Image, fold: str, new: bool) -> str | None:
        small = cv2.resize(image, (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_AREA)
        answer = session.run(None, {"image": to_tensor(np.asarray(small, np.uint8))})[0]
        return LETTERS[int(np.argmax(answer))]

    return pipeline


def ncnn_float(models: Path, threads: int) -> Pipeline:
    """The same network through ncnn, float (fp16 storage where it is faster, as ncnn chooses)."""
    import ncnn

    net = ncnn.Net()
    net.opt.num_threads = threads
    net.load_param(str(models / "resnet18.ncnn.param"))
    net.load_model(str(models / "resnet18.ncnn.bin"))
    mean = [255 * m for m in MEAN_RGB]
    scale = [1 / (255 * s) for s in STD_RGB]

    def pipeline(image: Image, fold: str, new: bool) -> str | None:
        height, width = image.shape[:2]
        rgb = ncnn.Mat.PixelType.PIXEL_RGB
        mat = ncnn.Mat.from_pixels_resize(image, rgb, width, height, SIZE_PX, SIZE_PX)
        mat.substract_mean_normalize(mean, scale)
        extractor = net.create_extractor()
        extractor.input("in0", mat)
        _, answer = extractor.extract("out0")
        return LETTERS[int(np.argmax(np.array(answer)))]

    return pipeline


def ours(models: Path, threads: int) -> Pipeline:
    """asl-edge: the hand is found or followed, int8, onnxruntime."""
    from edge.engines import open_engine

    return _read_by(models, threads, lambda package: open_engine(package, "int8", threads))


def openvino_int8(models: Path, threads: int) -> Pipeline:
    """asl-edge with OpenVINO running its int8 network."""
    import openvino

    core = openvino.Core()

    def engine_of(package: Package) -> Engine:
        settings = {"INFERENCE_NUM_THREADS": str(threads), "PERFORMANCE_HINT": "LATENCY"}
        compiled = core.compile_model(str(package.file("int8")), "CPU", settings)
        request = compiled.create_infer_request()

        def engine(tensor: Array, upright: bool = False) -> Output:
            request.infer({"image": tensor, UPRIGHT: np.array([upright], np.float32)})
            letters, presence, landmarks = (
                np.array(request.get_tensor(name).data) for name in ("letters", "presence", "points")
            )
            return Output(letters, presence[:, 0], landmarks)

        return engine

    return _read_by(models, threads, engine_of)


def _read_by(models: Path, threads: int, engine_of: Callable[[Package], Engine]) -> Pipeline:
    """Read with the package that packages.json names for a fold, which has not seen the fold's people."""
    from edge.hand.palm_detector import MediaPipePalmDetector
    from edge.hand.tracker import HandTracker  # only here: MediaPipe's environment has no onnxruntime

    folders = json.loads((models / "packages.json").read_text())
    packages = {fold: open_package(Path(folder)) for fold, folder in folders.items()}
    engines = {fold: engine_of(package) for fold, package in packages.items()}
    trackers: dict[str, HandTracker] = {}
    find = MediaPipePalmDetector(threads)

    def pipeline(image: Image, fold: str, new: bool) -> str | None:
        if new or fold not in trackers:  # in a new scene there is no hand to follow yet
            trackers[fold] = HandTracker(engines[fold], packages[fold].spec, palm_detector=find)
        return trackers[fold].follow(Frame(image, 0.0, 0)).letter

    return pipeline


def mediapipe_landmarks(models: Path, threads: int) -> Pipeline:
    """MediaPipe Hands and a small network on its landmarks; MediaPipe chooses its threads itself."""
    import mediapipe

    hands = mediapipe.solutions.hands.Hands(static_image_mode=False, max_num_hands=1, model_complexity=1)
    networks = np.load(models / "points.npz")

    def pipeline(image: Image, fold: str, new: bool) -> str | None:
        if new:
            hands.reset()
        found = hands.process(image)
        if not found.multi_hand_landmarks:
            return None
        height, width = image.shape[:2]
        marks = found.multi_hand_landmarks[0].landmark
        landmarks = np.array([[mark.x * width, mark.y * height] for mark in marks], np.float32)
        hidden = np.maximum(
            normalise_landmarks(landmarks) @ networks[f"{fold} w1"] + networks[f"{fold} b1"], 0
        )
        return LETTERS[int(np.argmax(hidden @ networks[f"{fold} w2"] + networks[f"{fold} b2"]))]

    return pipeline


def normalise_landmarks(landmarks: Array) -> Array:
    """(21, 2) px -> (42,): relative to the wrist, scaled by the hand's size, the index finger on one side."""
    moved = landmarks - landmarks[0]
    moved = moved / max(float(np.abs(moved).max()), 1e-6)
    if moved[5, 0] > moved[17, 0]:  # a left hand, or a mirrored right hand
        moved = moved * (-1, 1)
    return np.asarray(moved.ravel(), np.float32)


PIPELINES: dict[str, Callable[[Path, int], Pipeline]] = {
    "original": original,
    "torchscript": lambda models, threads: original(models, threads, scripted=True),
    "onnx_float": onnx_float,
    "ncnn_float": ncnn_float,
    "openvino_int8": openvino_int8,
    "mediapipe": mediapipe_landmarks,
    "ours": ours,
}
