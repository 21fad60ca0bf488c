"""Print docs/settings.md, made from the declarations in edge/settings.py: `make docs`."""

from edge.settings import SETTINGS, TABLES, Setting

BEFORE = """\
# Settings

<!-- Written by docs/settings_page.py: change edge/settings.py and run `make docs`. -->

Each setting is a flag of the command line, and a key in the TOML file that `--config FILE` names. Flags
override the file. `asl-edge COMMAND --help` lists the flags that a command takes; `run` takes all of them.

```toml
[camera]
source = "usb:0"
rotation_deg = 180

[letters]
hold_s = 0.4
```

In `[camera]`, `[model]`, `[letters]` and `[personalize]` the flag has the name of the key: `hold_s` is
`--hold-s`. In `[page]`, `[mqtt]` and `[log]` it begins with the name of the table: `token_file` in `[page]`
is `--page-token-file`. The first key of `[camera]`, `[model]`, `[page]` and `[mqtt]` has the name of the
table as its flag: `--camera`, `--model`, `--page`, `--mqtt`. User and password of a network camera are
`--camera-user` and `--camera-password-file`. A setting that is true or false has two flags, such as `--hflip`
and `--no-hflip`.

A wrong setting stops the program with one sentence and exit code 2. The sentence names the setting, and for a
mistake in a file also the line. A service that reloads wrong settings keeps the old ones and logs the
sentence.
"""
OLD = """
## Names of asl-edge 0.1

asl-edge 0.1 had no tables. Version 0.2 still reads such a file (`camera = "usb:0"`, `hold_s = 0.4`) and
accepts the old flags below. For each it logs a warning that names the new form. Version 0.3 will refuse them.
`asl-edge bench --tune --config FILE` moves the settings of an old file into tables and keeps its comments.

| old flag | old key | new flag | new key |
| --- | --- | --- | --- |
"""
AFTER = """
There is no setting `engine` any more, because each variant has one engine. The old value `torchscript` is
read as the variant `dynamic`.
"""
KEYS = "\n| key | flag | default | values | what it does |\n| --- | --- | --- | --- | --- |\n"


def settings_page() -> str:
    page = BEFORE
    for table, purpose in TABLES.items():
        page += f"\n## [{table}]\n\n{purpose}\n{KEYS}"
        page += "".join(_row(setting) for setting in SETTINGS.values() if setting.table == table)
    page += OLD
    for setting in SETTINGS.values():
        for old in setting.old_names:
            flag = "--" + old.replace("_", "-")
            page += f"| `{flag}` | `{old}` | `{setting.flag}` | `{setting.key}` in `[{setting.table}]` |\n"
    return page + AFTER


def _row(setting: Setting) -> str:
    quote = '"' if setting.type is str and setting.default else ""
    default = setting.default_words or _code(f"{quote}{setting.default_text}{quote}")
    return f"| `{setting.key}` | `{setting.flag}` | {default} | {_values(setting)} | {setting.help} |\n"


def _values(setting: Setting) -> str:
    if setting.choices:
        return ", ".join(_code(str(choice)) for choice in setting.choices)
    if setting.limits:
        return "{:g} to {:g}".format(*setting.limits)
    return "`true`, `false`" if setting.type is bool else _code(str(setting.metavar))


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


if __name__ == "__main__":
    print(settings_page(), end="")
