# SPDX-License-Identifier: Apache-2.0
"""One `ember serve` process with the demo model: started on free ports, watched, stopped."""
import itertools
import os
import random
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[2]
BIN = os.environ.get("EMBER_BIN", str(ROOT / "build/release/ember"))
MODEL_DIR = ROOT / "configs/demo-model"
MODEL = "demo-model"
DATA = ROOT / "tests/data/demo"
START_LIMIT_S = 90  # generous: the machine may be busy
KEY_HEADERS = ("EMBER_",)
SAMPLE = re.compile(r"^([A-Za-z_:][\w:]*)(\{.*\})? (\S+)$", re.M)


def clean_environment():
    """This process's environment without the settings that Ember would read."""
    return {k: v for k, v in os.environ.items() if not k.startswith(KEY_HEADERS)}


WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
PORTS_PER_WORKER = 2000
FIRST_PORT = 10000 + PORTS_PER_WORKER * (WORKER % 10)
# Beside another worker's server, threads that wait for each other at every layer would wait for a core instead.
WORKER_SETTINGS = {"EMBER_CPU_THREADS": "1"} if "PYTEST_XDIST_WORKER" in os.environ else {}
PORT_NUMBERS = itertools.count(random.randrange(PORTS_PER_WORKER))


def free_port():
    """A port that nothing listens on. Each worker of a run has a range of its own, below the ports that the system gives to clients, so that
    nobody takes the port before the server does."""
    for n in PORT_NUMBERS:
        port = FIRST_PORT + n % PORTS_PER_WORKER
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


class Server:
    def __init__(self, log_path, *flags, model_dir=MODEL_DIR, env=None, binary=BIN):
        self.port, self.admin_port, self.log_path = free_port(), free_port(), Path(log_path)
        command = [binary, "serve", "--model-path", str(model_dir), "--port", str(self.port), "--admin-port", str(self.admin_port)]
        with open(log_path, "wb") as log:
            self.process = subprocess.Popen([*command, *map(str, flags)], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                            env={**clean_environment(), **WORKER_SETTINGS, **(env or {})})
        self.url, self.admin_url = f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{self.admin_port}"
        self.headers = {}
        self.client = httpx.Client(base_url=self.url, timeout=120)
        self.admin = httpx.Client(base_url=self.admin_url, timeout=20)
        try:
            self._wait_until_ready()
        except BaseException:
            self.kill()
            raise

    def _wait_until_ready(self):
        end = time.monotonic() + START_LIMIT_S
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise RuntimeError(f"ember exited with {self.process.returncode} at start:\n{self.log()}")
            try:
                if self.admin.get("/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise RuntimeError(f"ember was not ready after {START_LIMIT_S} s:\n{self.log()}")

    def log(self):
        return self.log_path.read_text(errors="replace")[-8000:] if self.log_path.is_file() else f"(log: {self.log_path})"

    def post(self, path, body, **kwargs):
        return self.client.post(path, json=body, headers=self.headers, **kwargs)

    def chat(self, content="hi", **fields):
        messages = [{"role": "user", "content": content}]
        return self.post("/v1/chat/completions", {"model": MODEL, "messages": messages, "max_tokens": 4, **fields})

    def complete(self, prompt="hi", **fields):
        return self.post("/v1/completions", {"model": MODEL, "prompt": prompt, "max_tokens": 4, **fields})

    def golden(self):
        """A small greedy answer without what differs from request to request."""
        response = self.complete("Once upon a time", temperature=0, max_tokens=6, logprobs=1)
        assert response.status_code == 200, response.text
        body = response.json()
        return {k: v for k, v in body.items() if k not in ("id", "created")}

    def metrics_text(self):
        response = self.admin.get("/metrics", headers=self.headers)
        assert response.status_code == 200, response.text
        return response.text

    def metric(self, name, labels=""):
        """The sum over all series of `name` whose labels hold the text `labels`."""
        found = [float(v) for n, l, v in SAMPLE.findall(self.metrics_text()) if n == name and labels in l]
        assert found, f"no metric {name}"
        return sum(found)

    def wait_metric(self, name, wanted, limit_s=30):
        end = time.monotonic() + limit_s
        while (value := self.metric(name)) != wanted and time.monotonic() < end:
            time.sleep(0.05)
        assert value == wanted, f"{name} is {value} after {limit_s} s, expected {wanted}"

    def wait_idle(self, limit_s=30):
        for name in ("vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:kv_cache_usage_perc"):
            self.wait_metric(name, 0, limit_s)

    def rss_bytes(self):
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")

    def fd_count(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def wait(self, limit_s=60):
        return self.process.wait(limit_s)

    def kill(self):
        self.client.close()
        self.admin.close()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stop(self):
        """Checks that nothing is left behind, then ends the process; it must exit with 0."""
        try:
            if self.process.poll() is None:
                self.wait_idle()
                self.terminate()
            status = self.wait()
        finally:
            self.kill()
        assert status == 0, f"exit status {status}:\n{self.log()}"
