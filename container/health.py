"""The container's health check: 0 if the page says that the loop runs and the camera delivers frames."""

import sys
import urllib.error
import urllib.request

URL = "http://127.0.0.1:8080/healthz"

try:
    with urllib.request.urlopen(URL, timeout=4) as response:
        sys.exit(0 if response.status == 200 else 1)
except (urllib.error.URLError, OSError) as error:
    sys.exit(f"{URL}: {error}")
