# SPDX-License-Identifier: Apache-2.0
"""Hundreds of clients at once: every answer is what it is alone, and those who leave leave nothing behind."""
import asyncio

import httpx

from contract import completion_text, events
from server import MODEL

CLIENTS = 200
DISTINCT = 40
LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=0)


def body(i, **more):
    prompt = f"Story number {i % DISTINCT} is about"
    return {"model": MODEL, "prompt": prompt, "max_tokens": 12, "temperature": 0, "ignore_eos": True, **more}


async def read_one(client, i):
    async with client.stream("POST", "/v1/completions", json=body(i, stream=True)) as response:
        assert response.status_code == 200
        return completion_text(events([line async for line in response.aiter_lines()]))


async def cut_one(client, i, after):
    """Leaves after `after` events; 0: at once."""
    async with client.stream("POST", "/v1/completions", json=body(i, stream=True, max_tokens=1500)) as response:
        assert response.status_code == 200
        seen = 0
        async for line in response.aiter_lines():
            seen += line.startswith("data: ")
            if seen >= after:
                return


def run(server, make):
    async def everything():
        async with httpx.AsyncClient(base_url=server.url, timeout=180, limits=LIMITS) as client:
            return await asyncio.gather(*(make(client, i) for i in range(CLIENTS)))

    return asyncio.run(everything())


def test_every_stream_is_its_own(start):
    server = start("--max-model-len", 256, "--kv-cache-memory-bytes", "32MiB")  # all of it is in use soon, so that memory stays flat
    alone = [server.post("/v1/completions", body(i)).json()["choices"][0]["text"] for i in range(DISTINCT)]
    assert len(set(alone)) > DISTINCT // 2
    expected = [alone[i % DISTINCT] for i in range(CLIENTS)]
    assert run(server, read_one) == expected  # buffers grow to their size
    server.wait_idle()
    rss, fds = server.rss_bytes(), server.fd_count()
    for _ in range(3):
        assert run(server, read_one) == expected
        server.wait_idle()
    assert server.fd_count() <= fds + 2
    assert server.rss_bytes() - rss < 8 << 20


def test_half_leave(start):
    fake = start("--device", "fake", "--fake-step-ms", 2)
    golden = fake.golden()
    alone = [fake.post("/v1/completions", body(i)).json()["choices"][0]["text"] for i in range(DISTINCT)]

    async def mixed(client, i):
        return await (cut_one(client, i, i % 5) if i % 2 else read_one(client, i))

    def round_of_clients():
        answers = run(fake, mixed)
        assert answers[::2] == [alone[i % DISTINCT] for i in range(0, CLIENTS, 2)]
        fake.wait_idle()
        return fake.rss_bytes(), fake.fd_count()

    round_of_clients()  # buffers grow to their size
    rss, fds = round_of_clients()
    for _ in range(3):
        last_rss, last_fds = round_of_clients()
    assert last_fds <= fds + 2
    assert last_rss - rss < 8 << 20
    assert fake.golden() == golden
