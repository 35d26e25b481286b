# SPDX-License-Identifier: Apache-2.0
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from server import BIN, Server  # noqa: E402


def pytest_configure(config):
    if not Path(BIN).exists() and not config.option.collectonly:
        pytest.exit(f"no binary at {BIN}: build it, or set EMBER_BIN", returncode=3)


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The demo model with default settings; shared, so a test leaves it idle."""
    running = Server(tmp_path_factory.mktemp("server") / "log")
    yield running
    running.stop()


@pytest.fixture(scope="session")
def fake(tmp_path_factory):
    """A device whose next token is a hash of the context: quick, and its text is any bytes."""
    running = Server(tmp_path_factory.mktemp("fake") / "log", "--device", "fake")
    yield running
    running.stop()


@pytest.fixture
def start(tmp_path):
    """start(*flags) -> Server; all are stopped, and must stop cleanly, when the test ends."""
    started = []

    def start_server(*flags, **kwargs):
        started.append(Server(tmp_path / f"log{len(started)}", *flags, **kwargs))
        return started[-1]

    yield start_server
    problems = []
    for one in started:
        try:
            one.stop()
        except Exception as e:  # stop the others too
            problems.append(e)
    if problems:
        raise problems[0]
