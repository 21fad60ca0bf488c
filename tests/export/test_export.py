"""`python -m export` as a whole: what it writes, what it refuses, and what a failure leaves behind."""

import hashlib
import json
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
import torch
import torchvision
from support.tiny_export import PER_LETTER, SOME, add_outlier, prepared_pictures, trained_checkpoint

from edge.engines import open_engine
from edge.engines.golden import check_golden
from edge.models import VARIANTS
from edge.package import METADATA_NAME, open_package
from edge.package.signature import IDENTITY
from export.__main__ import main
from export.metadata import write_metadata
from export.model_card import write_model_card

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a folder with prepared/, model.pt, and deployment_package/ with all three variants."""
    folder = tmp_path_factory.mktemp("export")
    trained_checkpoint(folder / "model.pt", prepared_pictures(folder))
    assert export(folder, "--output", folder / "deployment_package") == 0
    return folder


def export(folder: Path, *more: object) -> int:
    inputs = ["--checkpoint", folder / "model.pt", "--data", folder / "prepared"]
    return main([str(argument) for argument in [*inputs, *more]])


def hash_files(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_package_opens_and_every_variant_gives_its_golden_output(tiny: Path) -> None:
    package = open_package(tiny / "deployment_package")
    assert tuple(package.files) == VARIANTS
    for variant in VARIANTS:
        engine = open_engine(package, variant)
        assert check_golden(engine, package, variant) < 1e-3


def test_folder_holds_exactly_the_files_of_a_package(tiny: Path) -> None:
    assert sorted(path.name for path in (tiny / "deployment_package").iterdir()) == [
        "MODEL_CARD.md",
        "asl_resnet18.dynamic.pt",
        "asl_resnet18.int8.onnx",
        "asl_resnet18.onnx",
        "model_metadata.json",
    ]
    assert sorted(path.name for path in tiny.iterdir()) == [
        "deployment_package", "model.pt", "photographs", "prepared",
    ]  # fmt: skip


@pytest.mark.parametrize("variant", ["float", "int8"])
def test_onnx_files_use_standard_operators_that_old_boards_support(tiny: Path, variant: str) -> None:
    package = open_package(tiny / "deployment_package")
    model = onnx.load(str(package.file(variant)))
    assert [(entry.domain, entry.version <= 15) for entry in model.opset_import] == [("", True)]
    assert model.ir_version <= 8
    assert {node.domain for node in model.graph.node} == {""}
    # those of the ResNet are folded into its convolutions; those of the two landmark heads remain
    assert [node.op_type for node in model.graph.node].count("BatchNormalization") == 2
    assert (package.metadata["opset"], package.metadata["ir_version"]) == (
        model.opset_import[0].version,
        model.ir_version,
    )


def test_int8_is_a_third_of_float_and_dynamic_is_not(tiny: Path) -> None:
    sizes = open_package(tiny / "deployment_package").metadata["measured_bytes"]
    assert sizes["int8"] < 0.33 * sizes["float"]
    assert sizes["dynamic"] > 0.98 * sizes["float"]


def test_accuracy_is_measured_on_the_source_that_training_left_out(tiny: Path) -> None:
    (section,) = open_package(tiny / "deployment_package").metadata["accuracy"]
    assert (section["signers"], section["sources"]) == ("unseen signers", ["ben"])
    assert section["pictures"] == len(SOME) * PER_LETTER
    assert list(section["variants"]) == list(VARIANTS)
    for figures in section["variants"].values():
        assert figures["accuracy"] == 1.0
        assert [figures["recall"][letter] for letter in "AG"] == [1.0, None]
        assert figures["answers_changed"] == 0


def test_metadata_records_the_choice_of_int8_and_no_local_folder(tiny: Path) -> None:
    text = (tiny / "deployment_package" / METADATA_NAME).read_text()
    metadata = json.loads(text)
    chosen = [trial for trial in metadata["quantisation_trials"] if trial["chosen"]]
    assert len(chosen) == 1
    assert chosen[0]["recipe"].startswith("U8S8 reduce_range")
    assert chosen[0]["recipe"] in metadata["files"]["int8"]["quantisation"]
    assert {trial["recipe"].split(",")[0] for trial in metadata["quantisation_trials"]} == {
        "U8S8 reduce_range", "U8S8", "S8S8",
    }  # fmt: skip
    assert metadata["training"]["command"] == "python -m train fit --data prepared --leave-out ben"
    assert "/home/" not in text
    assert str(tiny) not in text


@pytest.fixture(scope="module")
def one_variant(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Export only the dynamic variant, measured on the signer that training saw, and sign it."""
    folder = tmp_path_factory.mktemp("one") / "package"
    key = folder.with_name("key")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    flags = ["--variants", "dynamic", "--sources", "anna", "--sign", key]
    assert export(tiny, "--output", folder, *flags) == 0
    key.with_name("signers").write_text(f"{IDENTITY} {key.with_suffix('.pub').read_text()}")
    return folder


def test_single_variant_is_packaged_and_measured_beside_float(one_variant: Path) -> None:
    package = open_package(one_variant, str(one_variant.with_name("signers")))
    assert sorted(path.name for path in package.folder.iterdir()) == [
        "MODEL_CARD.md", "asl_resnet18.dynamic.pt", "model_metadata.json", "model_metadata.json.sig",
    ]  # fmt: skip
    (section,) = package.metadata["accuracy"]
    assert section["signers"] == "seen signers"
    assert list(section["variants"]) == ["float", "dynamic"]


def test_model_card_puts_unseen_signers_before_seen_ones(tiny: Path, tmp_path: Path) -> None:
    folds = ["--leave-one-out", tiny / "deployment_package"]
    output = ["--output", tmp_path / "package", "--variants", "float", "--sources", "anna"]
    assert export(tiny, *output, *folds) == 0
    card = (tmp_path / "package" / "MODEL_CARD.md").read_text()
    headings = [line for line in card.splitlines() if line.startswith("## ")]
    assert headings[0] == "## Unseen signers"
    assert headings[-2:] == ["## Measured at export: seen signers", "## How it was made"]
    unseen = card[: card.index("## Limits of these results")]
    assert "| ben | 24 | 100.0 % | 100.0 % | 100.0 % |" in unseen
    assert "python -m train fit --data prepared --leave-out ben" in unseen
    assert "These results are too good." in card
    assert "native" in card


def test_model_card_names_the_licence_of_every_source_that_training_saw(tiny: Path, tmp_path: Path) -> None:
    origins = tmp_path / "origins.csv"
    origins.write_text(
        "source,origin,licence,in_the_name_of\nben,his attic,MIT,Ben\nanna,her kitchen,CC0,Anna B.\n"
    )
    flags = ["--output", tmp_path / "package", "--variants", "float", "--most", 5, "--origins", origins]
    assert export(tiny, *flags) == 0
    card = (tmp_path / "package" / "MODEL_CARD.md").read_text()
    assert "| anna | her kitchen | CC0 | Anna B. |" in card
    assert "attic" not in card  # training left him out
    (unseen,) = open_package(tmp_path / "package").metadata["accuracy"]
    assert unseen["pictures"] == 5


def test_model_card_says_if_unseen_signers_were_not_measured(one_variant: Path) -> None:
    card = (one_variant / "MODEL_CARD.md").read_text()
    assert "the accuracy for a new person is unknown" in card
    assert "These results are too good." in card


def test_model_card_states_forbidden_uses_and_that_dynamic_is_no_faster(tiny: Path) -> None:
    card = (tiny / "deployment_package" / "MODEL_CARD.md").read_text()
    unseen, limits = "## Measured at export: unseen signers", "## What it must not be used for"
    assert card.index(unseen) < card.index(limits)
    assert "neither smaller nor faster" in card
    assert "Interpreting for anybody: not in medicine" in card


def test_source_name_that_is_not_utf8_is_written_escaped(tiny: Path, tmp_path: Path) -> None:
    text = (tiny / "deployment_package" / METADATA_NAME).read_text()
    metadata = json.loads(text.replace("ben", r"caf\udce9"))
    write_metadata(tmp_path, metadata)
    write_model_card(tmp_path, metadata)
    assert json.loads((tmp_path / METADATA_NAME).read_text()) == metadata
    assert r"| caf\udce9 | 24 |" in (tmp_path / "MODEL_CARD.md").read_text()


def test_fold_trained_on_every_signer_is_refused(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(tiny / "deployment_package", tmp_path / "fold")
    path = tmp_path / "fold" / METADATA_NAME
    metadata = json.loads(path.read_text())
    metadata["accuracy"][0]["signers"] = "seen signers"
    path.write_text(json.dumps(metadata))
    assert export(tiny, "--output", tmp_path / "package", "--leave-one-out", tmp_path / "fold") == 2
    assert "measured on no signer that its training did not see" in capsys.readouterr().err
    assert not (tmp_path / "package").exists()


def test_two_folds_of_one_source_are_refused_before_the_export(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folds = [tiny / "deployment_package", shutil.copytree(tiny / "deployment_package", tmp_path / "again")]
    assert export(tiny, "--output", tmp_path / "package", "--leave-one-out", *folds) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert error.startswith(f"export: {folds[0]} and {folds[1]} both left out 'ben': give ")
    assert not (tmp_path / "package").exists()


def test_less_accurate_int8_is_refused_and_the_old_package_is_unchanged(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(tiny / "model.pt", tmp_path / "model.pt")
    add_outlier(tmp_path / "model.pt")
    shutil.copytree(tiny / "deployment_package", tmp_path / "deployment_package")
    before = hash_files(tmp_path / "deployment_package")
    flags = ["--output", tmp_path / "deployment_package", "--variants", "int8"]
    assert export(tiny, "--checkpoint", tmp_path / "model.pt", *flags) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("export: the int8 variant may lose ")
    assert error.endswith("or give --accept-drop")
    assert hash_files(tmp_path / "deployment_package") == before
    assert not list(tmp_path.glob("deployment_package.*"))


def test_full_disk_is_reported_in_one_sentence_and_the_old_package_is_unchanged(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(tiny / "deployment_package", tmp_path / "deployment_package")
    before = hash_files(tmp_path / "deployment_package")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000_000, hard))
    try:
        assert export(tiny, "--output", tmp_path / "deployment_package") == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "is full, or a file may not grow so large" in capsys.readouterr().err.splitlines()[-1]
    assert hash_files(tmp_path / "deployment_package") == before
    assert [path.name for path in tmp_path.iterdir()] == ["deployment_package"]


def test_interrupted_export_leaves_nothing(tiny: Path, tmp_path: Path) -> None:
    flags = ["--checkpoint", tiny / "model.pt", "--data", tiny / "prepared"]
    command = [sys.executable, "-m", "export", *flags, "--output", tmp_path / "deployment_package"]
    command = ["env", "--default-signal=INT", *command]  # shells ignore SIGINT in background jobs
    with subprocess.Popen(list(map(str, command)), cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "trying recipes" in line:
                break
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 130, rest
    assert rest.splitlines()[-1].startswith("export: interrupted")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--checkpoint", "no.pt"], "no.pt does not exist"),
        (["--data", "nowhere"], "nowhere is not a prepared folder"),
        (["--variants", "int4"], "--variants must be one or more of int8, float, dynamic, got 'int4'"),
        (["--variants", ""], "--variants must be"),
        (["--sources", "carl"], "has no source 'carl', only: anna, ben"),
        (["--leave-one-out", "nowhere"], "nowhere is no deployment package"),
        (["--most", "0"], "--most must be 1 or more, got 0"),
        (["--origins", "nowhere.csv"], "nowhere.csv can't be read: no such file or directory"),
        (["--origins", "train/default_sources.csv"], "has no row of the source 'anna', which training saw"),
    ],
)
def test_wrong_flag_is_reported_in_one_sentence(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], sentence: str
) -> None:
    assert export(tiny, "--output", tmp_path / "package", *flags) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert sentence in error
    assert list(tmp_path.iterdir()) == []


def test_checkpoint_of_another_shape_is_reported_in_one_sentence(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = torch.load(tiny / "model.pt", weights_only=True)
    state["model"]["trunk.fc.weight"] = state["model"]["trunk.fc.weight"][:26]
    torch.save(state, tmp_path / "narrow.pt")
    assert export(tiny, "--checkpoint", tmp_path / "narrow.pt", "--output", tmp_path / "package") == 2
    assert "does not hold a ResNet-18 with 69 outputs" in capsys.readouterr().err
    assert not (tmp_path / "package").exists()


def test_folder_with_other_files_is_not_replaced(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    assert export(tiny, "--output", tmp_path) == 2
    assert "holds thesis.txt" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_plain_resnet_is_packaged_and_the_card_says_what_is_not_known(
    tiny: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model = torchvision.models.resnet18()
    model.fc = torch.nn.Linear(512, 26)
    torch.save(model.state_dict(), tmp_path / "asl_model.pth")
    output = tmp_path / "package"
    arguments = ["--checkpoint", tmp_path / "asl_model.pth", "--data", tiny / "prepared", "--output", output]
    flags = ["--variants", "int8,float", "--quick", "--accept-drop"]
    assert main([*map(str, arguments), *flags]) == 0
    says = [line for line in capfd.readouterr().err.splitlines() if "is not known" in line]
    assert len(says) == 1
    card = (output / "MODEL_CARD.md").read_text()
    assert "hand and landmarks come from MediaPipe's network" in card
    assert "nobody knows here whom the network was trained on" in card
    package = open_package(output)
    assert package.size_px == 224
    for variant in ("int8", "float"):
        assert check_golden(open_engine(package, variant), package, variant) < 1e-3
