"""Run a network on an NVIDIA GPU, with onnxruntime's CUDA or TensorRT. docs/gpu.md says what a board needs.

onnxruntime lists the providers that were compiled in. If one can't start, it computes on the processor
without a word, and operations that a provider lacks go to the next one. So the first run is profiled: the
profile says where each operation ran.
"""

import collections
import ctypes
import json
import logging
import os
import tempfile
from pathlib import Path

import numpy as np

from edge.engines.session import CPU, load_session, make_options, ort, reason_in
from edge.errors import EngineError, os_errors_as
from edge.package import Package

# by the setting model.provider: onnxruntime's name
NAMES = {"cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}
SHORT = {CPU: "cpu"} | {full: name for name, full in NAMES.items()}
COPIES = ("MemcpyToHost", "MemcpyFromHost")  # between processor and GPU; they compute nothing
OR_CPU = "or take --provider cpu"
log = logging.getLogger(__name__)


def open_gpu_session(
    package: Package, variant: str, provider: str, threads: int
) -> tuple[ort.InferenceSession, str]:
    """Open a variant on the GPU and run it once. Return the session, and where its operations ran.

    Raises EngineError if this onnxruntime or this machine can't, if the variant is not for the provider, or
    if the cache can't be written.
    """
    path = package.file(variant)
    if provider == "tensorrt" and variant == "int8":
        raise EngineError(
            f"TensorRT computes from the float file in float16 and can't take {path.name}: take --variant "
            "float (docs/gpu.md says how to get one), or --provider cuda"
        )
    _check_compiled_in(provider)
    folder = _find_cache() / f"{package.sha256(variant)[:16]}-onnxruntime-{ort.__version__}"
    with (
        os_errors_as(
            EngineError, f"the folder {folder} can't be written", f"install the drop-in gpu.conf, {OR_CPU}"
        ),
        _profile_folder(folder) as profiles,
    ):
        options = make_options(threads, spinning=False)
        # Widen int8 weights when the file is loaded, because a GPU computes in float.
        options.add_session_config_entry("session.disable_quant_qdq", "1")
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(profiles) / "first-run")
        session = _start(path, options, provider, folder)
        return session, describe(_profile_first_run(session, path), path, provider)


def describe(counts: dict[str, int], path: Path, provider: str) -> str:
    """Return where the operations ran, such as "cuda: 61 of 63 operations, cpu 2".

    Raises EngineError if none of them ran on the provider.
    """
    here = counts.get(provider, 0)
    if not here:
        raise EngineError(
            f"onnxruntime {ort.__version__} ran no operation of {path} on {provider}, but all on "
            f"{', '.join(counts)}: install another onnxruntime (docs/gpu.md), {OR_CPU}"
        )
    others = "".join(f", {name} {count}" for name, count in counts.items() if name != provider)
    return f"{provider}: {here} of {sum(counts.values())} operations{others}"


def count_operations(profile: Path) -> dict[str, int]:
    """Return the number of operations by provider, from a profile of onnxruntime."""
    counts: collections.Counter[str] = collections.Counter()
    for event in json.loads(profile.read_text(encoding="utf-8")):
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            name = event["args"].get("provider", "")
            counts[SHORT.get(name, name)] += event["args"].get("op_name") not in COPIES
    return dict(counts)


def list_compiled_in() -> list[str]:
    """Return the providers that this onnxruntime was built for. Only a run tells whether one works."""
    available = ort.get_available_providers()
    return [name for full, name in SHORT.items() if full in available]


def _check_compiled_in(provider: str) -> None:
    if provider not in (has := list_compiled_in()):
        raise EngineError(
            f"onnxruntime {ort.__version__} was built for {', '.join(has)}, not for {provider}: install an "
            f"onnxruntime for this board's GPU (docs/gpu.md says which), {OR_CPU}"
        )


def _start(path: Path, options: ort.SessionOptions, provider: str, cache: Path) -> ort.InferenceSession:
    providers: list[tuple[str, dict[str, str]]] = [(NAMES["cuda"], {}), (CPU, {})]
    if provider == "tensorrt":
        if not any(cache.glob("*.engine")):
            log.info("TensorRT builds its engine for this GPU, once; that takes minutes")
        providers.insert(0, (NAMES["tensorrt"], _tensorrt_options(cache)))
    advice = f"docs/gpu.md says what {provider} needs, {OR_CPU}"
    try:
        session = load_session(path, options, providers, advice)
    except EngineError:
        if not (missing := _find_missing_library(provider)):
            raise
    else:
        if NAMES[provider] in session.get_providers():
            return session
        missing = _find_missing_library(provider) or "it found no GPU that it can use"
    raise EngineError(f"onnxruntime {ort.__version__} can't start {provider} here ({missing}): {advice}")


def _tensorrt_options(cache: Path) -> dict[str, str]:
    """Return the options of TensorRT.

    An engine fits one model, onnxruntime, TensorRT and GPU, but the names of TensorRT's files don't depend on
    the weights: `cache` must be a folder of one model and onnxruntime.
    """
    return {
        "trt_fp16_enable": "True",
        "trt_engine_cache_enable": "True",
        "trt_engine_cache_path": str(cache),
    }


def _find_missing_library(provider: str) -> str:
    """Return the loader's words about a library that the provider needs and that is absent; "" if none is.

    onnxruntime only logs them.
    """
    library = Path(ort.__file__).parent / f"capi/libonnxruntime_providers_{provider}.so"
    try:
        ctypes.CDLL(str(library))
    except OSError as error:
        return str(error) if "cannot open" in str(error) else ""
    return ""


def _profile_first_run(session: ort.InferenceSession, path: Path) -> dict[str, int]:
    """Run the session once on zeros and return `count_operations`, which ends the profile."""
    shapes = {
        node.name: [side if isinstance(side, int) else 1 for side in node.shape]
        for node in session.get_inputs()
    }
    try:
        session.run(None, {name: np.zeros(shape, np.float32) for name, shape in shapes.items()})
    except Exception as error:  # onnxruntime's errors have no other class in common
        raise EngineError(f"onnxruntime can't run {path} on the GPU ({reason_in(error)}): {OR_CPU}") from None
    return count_operations(Path(session.end_profiling()))


def _profile_folder(folder: Path) -> tempfile.TemporaryDirectory[str]:
    """Return a folder inside the cache, which is made if it is absent: only its owner may read engines."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(prefix="profile-", dir=folder)


def _find_cache() -> Path:
    """Return systemd's CacheDirectory=, or the user's own folder."""
    of_service = os.environ.get("CACHE_DIRECTORY", "").partition(":")[0]
    of_user = os.environ.get("XDG_CACHE_HOME") or Path(os.path.expanduser("~")) / ".cache"  # noqa: PTH111
    return Path(of_service or Path(of_user) / "asl-edge")
