"""The metadata contains no local folder and maps classes to letters."""

import pytest

from edge.errors import DataError
from export.metadata import remove_command_folders, remove_folders
from export.package import map_class_to_letter


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (
            "fit --data '/home/anna/my pictures/prepared' --leave-out ben",
            "fit --data prepared --leave-out ben",
        ),
        (
            "export --data '/home/anna/my pictures' --output=/home/anna/x",
            "export --data 'my pictures' --output=x",
        ),
        ("fit '--run=/home/anna/my runs/first one'", "fit '--run=first one'"),
        ("fit --run runs/first", "fit --run runs/first"),
        ("prepare_model_for_deployment(...)", "prepare_model_for_deployment(...)"),
    ],
)
def test_commands_contain_no_local_folder(command: str, expected: str) -> None:
    assert remove_command_folders(command) == expected


def test_training_section_contains_no_local_folder() -> None:
    training = {
        "command": "fit --crops '/home/anna/my crops'",
        "options": {"crops": "/home/anna/my crops", "init": "anna's/model.pt", "batch": 64},
        "sources": ["anna"],
    }
    assert remove_folders(training) == {
        "command": "fit --crops 'my crops'",
        "options": {"crops": "my crops", "init": "anna's/model.pt", "batch": 64},
        "sources": ["anna"],
    }


def test_class_5_is_f() -> None:
    assert map_class_to_letter(5) == "F"
    assert [map_class_to_letter(i) for i in (0, 25)] == ["A", "Z"]
    with pytest.raises(DataError, match="class must be 0"):
        map_class_to_letter(26)
