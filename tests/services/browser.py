"""A real Chromium without a window, spoken to in its own protocol over two pipes: no driver, no library."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.parts.waiting import HANGS_S

_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-default-apps",
    "--disable-extensions", "--disable-sync", "--metrics-recording-only", "--mute-audio",
    "--remote-debugging-pipe", "--no-proxy-server", "--hide-scrollbars",
)  # fmt: skip


_AXE = Path(__file__).parents[2] / ".venv/files/axe_playwright_python/axe.min.js"
_RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


class Browser:
    """One page. `complaints` are console errors and refusals by the content security policy."""

    def __init__(self, home: Path) -> None:
        to_browser, ours = os.pipe()
        theirs, from_browser = os.pipe()
        # Chromium reads from 3 and writes to 4; dash cannot name descriptors above 9
        start = f'exec "$@" 3<&{to_browser} 4>&{from_browser}'
        words = [
            "/bin/bash",
            "-c",
            start,
            "bash",
            "/usr/bin/chromium",
            *_FLAGS,
            f"--user-data-dir={home}",
            "about:blank",
        ]
        self._process = subprocess.Popen(
            words, pass_fds=(to_browser, from_browser), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, env=os.environ | {"HOME": str(home)},
        )  # fmt: skip
        os.close(to_browser)
        os.close(from_browser)
        self._out, self._in, self._buffer, self._count = ours, theirs, b"", 0
        self.complaints: list[str] = []
        self._session = ""
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._ask(f"{domain}.enable")

    def open(self, address: str) -> None:
        self._ask("Page.navigate", url=address)

    def look(self, expression: str) -> Any:
        """The value of a JavaScript expression."""
        answer = self._ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise AssertionError(str(answer["exceptionDetails"])[:500])
        return answer["result"].get("value")

    def until(self, expression: str) -> Any:
        deadline = time.monotonic() + HANGS_S
        while not (value := self.look(expression)):
            assert time.monotonic() < deadline, f"{expression} is still {value!r}: {self.text()[:2000]}"
            select.select([], [], [], 0.05)
        return value

    def text(self) -> str:
        return str(self.look("document.body.innerText")).replace("\u00a0", " ")

    def size(self, width: int, height: int = 900) -> None:
        self._ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def scheme(self, name: str) -> None:
        self._ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def picture(self, kind: str = "png") -> bytes:
        """What the window shows, as "png" or "webp"."""
        return base64.b64decode(self._ask("Page.captureScreenshot", format=kind)["data"])

    def faults(self) -> list[str]:
        """What axe finds against WCAG 2.2, A and AA, in the page as it is now, with the place."""
        if not self.look("'axe' in window"):
            self.look(_AXE.read_text() + "; 0")
        found = self.look(f"axe.run(document, {json.dumps(_RULES)}).then((all) => all.violations)")
        return [f"{one['id']}: {node['html'][:200]}" for one in found for node in one["nodes"]]

    def close(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._out)
        os.close(self._in)

    def _ask(self, method: str, **parameters: Any) -> Any:
        self._count += 1
        wish: dict[str, Any] = {"id": self._count, "method": method, "params": parameters}
        if self._session:
            wish["sessionId"] = self._session
        os.write(self._out, json.dumps(wish).encode() + b"\0")
        while True:
            said = self._next()
            if said.get("id") == self._count:
                if "error" in said:
                    raise AssertionError(f"{method}: {said['error']}")
                return said["result"]
            self._note(said)

    def _next(self) -> Any:
        deadline = time.monotonic() + HANGS_S
        while b"\0" not in self._buffer:
            assert time.monotonic() < deadline, "the browser is silent"
            if select.select([self._in], [], [], 1)[0]:
                found = os.read(self._in, 1 << 20)
                assert found, "the browser ended"
                self._buffer += found
        line, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(line)

    def _note(self, said: Any) -> None:
        match said.get("method"):
            case "Log.entryAdded" if said["params"]["entry"]["level"] == "error":
                self.complaints.append(said["params"]["entry"]["text"])
            case "Runtime.exceptionThrown":
                self.complaints.append(str(said["params"]["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if said["params"]["type"] in ("error", "warning"):
                self.complaints.append(str(said["params"]["args"]))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if shutil.which("chromium") is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    made = Browser(tmp_path_factory.mktemp("chromium"))
    yield made
    made.close()
