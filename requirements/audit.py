"""Look for known vulnerabilities in the pinned packages: `make audit`.

Ends with exit code 1 if there is one, and with 2 if the data can't be reached: then nobody has looked.
"""

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
SERVICES = ("pypi", "osv")  # tried in this order


def main() -> int:
    """Audit each pinned file and print a line about it."""
    service = next((name for name in SERVICES if (audit(HERE / "build.txt", name) or {}).get("looked")), None)
    if service is None:
        print(
            "NOTHING WAS AUDITED: the data of pip-audit can't be reached from here "
            f"(services {' and '.join(SERVICES)}); run this where they can",
            file=sys.stderr,
        )
        return 2
    code = 0
    for path in sorted(HERE.glob("*.txt")):
        found = audit(path, service)
        if found is None:
            print(f"{path.name:<14} pip-audit failed", file=sys.stderr)
            code = 2
            continue
        skipped = (
            f", {len(found['skipped'])} not looked at: {', '.join(found['skipped'])}"
            if found["skipped"]
            else ""
        )
        print(f"{path.name:<14} {len(found['looked'])} packages, {len(found['bad'])} vulnerable{skipped}")
        for sentence in found["bad"]:
            print(f"  {sentence}")
        code = code or (1 if found["bad"] else 0)
    return code


def audit(path: Path, service: str) -> dict[str, list[str]] | None:
    """Return the packages that were looked at, skipped and vulnerable; None if pip-audit failed."""
    command = [sys.executable, "-m", "pip_audit", "-f", "json", "-s", service, "--progress-spinner", "off"]
    command += ["--disable-pip", "--require-hashes", "-r", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        return None
    return {
        "looked": [one["name"] for one in packages if "skip_reason" not in one],
        "skipped": [one["name"] for one in packages if "skip_reason" in one],
        "bad": [
            f"{one['name']} {one['version']}: {fault['id']}, mended in {fault['fix_versions'] or 'none'}"
            for one in packages
            for fault in one.get("vulns", [])
        ],
    }


if __name__ == "__main__":
    sys.exit(main())
