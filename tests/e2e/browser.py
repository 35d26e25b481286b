# SPDX-License-Identifier: Apache-2.0
"""A headless Chromium, driven over its DevTools protocol."""
import base64
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

from websockets.sync.client import connect

PROGRAMS = ("chromium-headless-shell", "chromium", "google-chrome")  # the first is Debian's smallest package
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars", "--remote-debugging-port=0")
LISTENING = re.compile(r"DevTools listening on (ws://\S+)")


class Browser:
    def __init__(self):
        program = next(filter(None, map(shutil.which, PROGRAMS)), None)
        assert program, "no Chromium (Debian package chromium-headless-shell)"
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.process = subprocess.Popen([program, *FLAGS, f"--user-data-dir={self._profile.name}", "about:blank"], stderr=subprocess.PIPE,
                                        stdout=subprocess.DEVNULL, text=True, start_new_session=True)
        for line in self.process.stderr:
            if found := LISTENING.search(line):
                self.socket = connect(found[1], max_size=None, open_timeout=60)
                return
        raise AssertionError(f"Chromium ended with {self.process.wait()}")

    def stop(self):
        self.socket.close()
        os.killpg(self.process.pid, signal.SIGKILL)  # the program is a script that starts the browser
        self.process.wait()
        self.process.stderr.close()
        self._profile.cleanup()

    def page(self, url, width=1200, height=800, dark=False, headers=None):
        return Page(self, url, width, height, dark, headers)


class Page:
    """One tab; `complaints` holds what its console, its policy and its script had to say."""

    def __init__(self, browser, url, width, height, dark, headers):
        self.socket, self.complaints, self._id, self._session = browser.socket, [], 0, None
        target = self.call("Target.createTarget", url="about:blank", browserContextId=self.call("Target.createBrowserContext")["browserContextId"])["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        if headers:
            self.call("Network.setExtraHTTPHeaders", headers=headers)
        self.call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete'")
        if headers:  # of this one navigation
            self.call("Network.setExtraHTTPHeaders", headers={})

    def call(self, method, **params):
        self._id += 1
        message = {"id": self._id, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        self.socket.send(json.dumps(message))
        while True:
            answer = json.loads(self.socket.recv(timeout=60))
            if answer.get("id") == self._id and answer.get("sessionId") == self._session:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]
            self._note(answer)

    def _note(self, event):
        params = event.get("params", {})
        if event.get("sessionId") != self._session:
            return
        if event["method"] == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(params["exceptionDetails"])[:500])
        elif event["method"] == "Log.entryAdded" and params["entry"]["level"] in ("warning", "error"):
            self.complaints.append(params["entry"]["text"])
        elif event["method"] == "Runtime.consoleAPICalled" and params["type"] in ("warning", "error", "assert"):
            self.complaints.append(json.dumps(params["args"])[:500])

    def js(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def wait(self, expression, limit_s=60):
        end = time.monotonic() + limit_s
        while not (value := self.js(expression)):
            assert time.monotonic() < end, f"after {limit_s} s not true: {expression}; complaints: {self.complaints[-3:]}"
            time.sleep(0.05)
        return value

    def text(self, selector):
        return self.js(f"[...document.querySelectorAll({json.dumps(selector)})].map(e => e.textContent)")

    def type(self, text):
        """Into what has the focus."""
        self.call("Input.insertText", text=text)

    def key(self, name, **modifiers):
        text = {"Enter": "\r"}.get(name, name if len(name) == 1 else "")
        codes = {"Enter": 13, "Escape": 27, "Tab": 9}
        common = {"key": name, "windowsVirtualKeyCode": codes.get(name, ord(name[0])), **modifiers}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def click(self, selector):
        x, y = self.js(f"(() => {{ const r = document.querySelector({json.dumps(selector)}).getBoundingClientRect(); "
                       "return [r.x + r.width / 2, r.y + r.height / 2]; })()")
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def screenshot(self, path):
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))
