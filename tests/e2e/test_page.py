# SPDX-License-Identifier: Apache-2.0
"""The page at /, in a headless Chromium."""
import os
import re
import struct
from pathlib import Path

import pytest

from browser import Browser
from contract import check_error
from server import MODEL

SHOTS = os.environ.get("EMBER_SCREENSHOTS")  # a folder where screenshots are left to be looked at
QUESTION = "Tell me a story about a fox."


@pytest.fixture(scope="module")
def browser():
    running = Browser()
    yield running
    running.stop()


def ask(page, text):
    page.js("document.getElementById('input').focus()")
    page.type(text)
    page.key("Enter")


def answered(page, count):
    page.wait(f"document.querySelectorAll('.assistant').length === {count} && !document.querySelector('.running')", 120)
    return page.text(".assistant .said")[count - 1]


def set_field(page, name, value):
    page.js(f"(() => {{ const f = document.getElementById('{name}'); f.value = {value!r}; f.dispatchEvent(new Event('change')); }})()")


def shoot(page, name, tmp_path):
    path = Path(SHOTS or tmp_path) / f"{name}.png"
    page.screenshot(path)
    raw = path.read_bytes()
    assert raw.startswith(b"\x89PNG") and len(raw) > 5000
    return struct.unpack(">II", raw[16:24])


def test_headers_and_size(server):
    response = server.client.get("/")
    assert response.status_code == 200 and response.headers["content-type"] == "text/html; charset=utf-8"
    assert len(response.content) < 60_000
    policy = response.headers["content-security-policy"]
    nonce = re.search(r"script-src 'nonce-([0-9a-f]{32})'", policy)[1]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert response.text.count(f'nonce="{nonce}"') == 2 and "@NONCE@" not in response.text
    assert nonce not in server.client.get("/").text, "each answer has its own"
    assert response.headers["x-content-type-options"] == "nosniff"
    # Nothing from elsewhere, and no way for text to become markup.
    assert not re.search(r"(?:src|href)=|https?://|@import|url\(", response.text)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|\son\w+=", response.text)
    assert server.client.head("/").status_code == 200


def test_chat_by_keyboard(server, browser, tmp_path):
    page = browser.page(server.url)
    page.wait(f"document.getElementById('model').value === '{MODEL}'")
    assert page.js("document.activeElement.id") == "input", "one can type at once"
    for name, value in (("temperature", "0"), ("max_tokens", "40"), ("seed", "7")):
        set_field(page, name, value)
    ask(page, QUESTION)
    messages = [{"role": "user", "content": QUESTION}]
    fields = {"model": MODEL, "temperature": 0, "max_tokens": 40}

    def want():
        return server.post("/v1/chat/completions", {**fields, "messages": messages}).json()["choices"][0]["message"]["content"]

    first = answered(page, 1)
    assert first == want()
    facts = page.text(".assistant .facts")[0]
    assert re.fullmatch(r"TTFT \d+\.\d\d s · \d+\.\d tokens/s · \d+ tokens · (length|stop)", facts), facts
    # The conversation goes on; the system prompt is sent.
    set_field(page, "system", "Be kind.")
    messages = [{"role": "system", "content": "Be kind."}, *messages, {"role": "assistant", "content": first}, {"role": "user", "content": "Go on."}]
    ask(page, "Go on.")
    assert answered(page, 2) == want()
    page.wait("document.querySelector('#speed polyline:last-child').getAttribute('points')")
    assert shoot(page, "desktop-light", tmp_path) == (1200, 800)
    page.js("document.activeElement.blur()")
    page.key("/")
    assert page.js("document.activeElement.id") == "input" and page.js("document.getElementById('input').value") == ""
    page.click("#fresh")
    assert page.text(".message") == []
    assert page.complaints == []


def test_text_is_text(server, browser):
    page = browser.page(server.url)
    page.wait("document.getElementById('model').value")
    set_field(page, "max_tokens", "2")
    evil = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script><b>bold</b> & \u202e\U0001f98a"
    ask(page, evil)
    answered(page, 1)
    assert page.text(".user .said") == [evil]
    assert page.js("document.querySelectorAll('#log img, #log script, #log b').length") == 0
    assert page.js("document.title") == "Ember"
    # Even a script that got in would not run.
    page.js("(() => { const s = document.createElement('script'); s.textContent = \"document.title = 'owned'\"; document.body.append(s); })()")
    assert page.js("document.title") == "Ember"
    assert any("Content Security Policy" in c for c in page.complaints), page.complaints


def test_stop_button_and_live_panel(start, browser):
    server = start("--device", "fake", "--fake-step-ms", 20, "--kv-cache-memory-bytes", "32MiB")
    page = browser.page(server.url)
    page.wait("document.getElementById('model').value")
    for click in (True, False):
        ask(page, "hi")
        page.wait("document.querySelector('.running .said')?.textContent && document.getElementById('running').textContent === '1'")
        assert page.js("document.getElementById('send').textContent") == "Stop"
        assert page.js("parseFloat(document.getElementById('kv').textContent)") > 0
        page.click("#send") if click else page.key("Escape")
        page.wait("!document.querySelector('.running')")
        server.wait_idle()
        assert page.text(".assistant .facts")[-1].endswith("stopped")
        assert page.js("document.getElementById('send').textContent") == "Send"
        page.wait("document.getElementById('running').textContent === '0'")
    assert page.complaints == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_phone(server, browser, dark, tmp_path):
    page = browser.page(server.url, width=390, height=844, dark=dark)
    page.wait("document.getElementById('model').value")
    set_field(page, "temperature", "0")
    set_field(page, "max_tokens", "40")
    ask(page, QUESTION)
    assert answered(page, 1)
    assert page.js("document.documentElement.scrollWidth") <= 390, "no sideways scrolling"
    assert page.js("document.getElementById('send').getBoundingClientRect().bottom") <= 844
    shoot(page, f"phone-{'dark' if dark else 'light'}", tmp_path)
    assert page.js("getComputedStyle(document.getElementById('side')).display") == "none"
    page.click("#more")
    assert page.js("getComputedStyle(document.getElementById('side')).display") == "flex"
    shoot(page, f"phone-settings-{'dark' if dark else 'light'}", tmp_path)
    page.click("#more")
    back, ink = (re.findall(r"\d+", page.js(f"getComputedStyle(document.body).{p}")) for p in ("backgroundColor", "color"))
    assert (int(back[0]) < 128 < int(ink[0])) == dark
    assert page.complaints == []


def test_desktop_dark(server, browser, tmp_path):
    page = browser.page(server.url, dark=True)
    page.wait("document.getElementById('model').value")
    set_field(page, "max_tokens", "60")
    ask(page, QUESTION)
    assert answered(page, 1)
    shoot(page, "desktop-dark", tmp_path)


def test_fields_have_names_and_contrast(server, browser):
    page = browser.page(server.url)
    assert page.js("""[...document.querySelectorAll('input, textarea, select, button')]
        .filter(e => !e.labels?.length && !e.getAttribute('aria-label') && !e.textContent.trim()).map(e => e.id)""") == []
    contrast = """(() => {
        const lum = c => { const [r, g, b] = c.match(/\\d+/g).map(v => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; });
                           return .2126 * r + .7152 * g + .0722 * b; };
        const back = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (!c.endsWith(', 0)')) return c; } return 'rgb(255, 255, 255)'; };
        return [...document.querySelectorAll('button, label, h1, h2, dt, dd, figcaption, #empty, #state')]
            .map(e => { const [a, b] = [lum(getComputedStyle(e).color), lum(back(e))].sort((x, y) => y - x); return [e.id || e.tagName, (a + .05) / (b + .05)]; })
            .filter(([, ratio]) => ratio < 4.5);
    })()"""
    assert page.js(contrast) == []
    assert browser.page(server.url, dark=True).js(contrast) == []


def test_with_keys(start, browser):
    server = start("--device", "fake", "--api-key", "sk-right")
    server.headers = {"Authorization": "Bearer sk-right"}
    refused = server.client.get("/")
    check_error(refused, 401, code="invalid_api_key")
    assert refused.headers["www-authenticate"].startswith("Basic ")  # a browser asks for it
    assert server.client.get("/status").status_code == 401
    basic = {"Authorization": "Basic OnNrLXJpZ2h0"}  # ":sk-right"
    assert server.client.get("/status", headers=basic).status_code == 401, "it opens the page only"
    page = browser.page(server.url, headers=basic)
    set_field(page, "key", "sk-right")
    page.wait("document.getElementById('model').value")
    set_field(page, "max_tokens", "5")
    ask(page, "hi")
    answered(page, 1)
    assert page.text(".fault") == []
    set_field(page, "key", "sk-wrong")
    page.wait("document.activeElement.id === 'key'")  # it is refused when the models are asked for: the page asks for another
    ask(page, "hi")
    answered(page, 2)
    assert "API key" in page.text(".fault")[0]
    assert page.js("document.activeElement.id") == "key"


def test_errors_are_shown(start, browser):
    server = start("--device", "fake")
    page = browser.page(server.url)
    page.wait("document.getElementById('model').value")
    set_field(page, "temperature", "5")
    ask(page, "hi")
    answered(page, 1)
    assert "temperature" in page.text(".fault")[0]
    set_field(page, "temperature", "")
    server.admin.post("/admin/drain")
    page.wait("document.getElementById('state').textContent === 'draining'")
    ask(page, "hi")
    answered(page, 2)
    assert "shutting down" in page.text(".fault")[1]


def test_status(server):
    server.wait_idle()
    status = server.client.get("/status").json()
    assert status["status"] == "ready" and status["model"] == MODEL and status["max_model_len"] == 2048
    assert status["num_running"] == status["num_waiting"] == status["kv_cache_usage"] == 0
    usage = server.complete(max_tokens=3, ignore_eos=True).json()["usage"]
    moved = server.client.get("/status").json()
    assert moved["generation_tokens_total"] - status["generation_tokens_total"] == usage["completion_tokens"]
    assert moved["prompt_tokens_total"] - status["prompt_tokens_total"] == usage["prompt_tokens"]
