"""What the loop's process tells the page's process at the start, as a line of JSON."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PageSettings:
    """The settings of the page, with the token itself."""

    token: str
    hosts: list[str]  # this machine's names
    trusted_proxies: str
    picture: bool
    metrics: bool
    state_folder: str  # for the logins
    log_level: str
