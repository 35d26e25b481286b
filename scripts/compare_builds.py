#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares the answers of two builds on one model, byte for byte: status, headers and body of every request below.

Usage: scripts/compare_builds.py OLD_BINARY NEW_BINARY [MODEL_DIR] [-- FLAGS OF serve]
What differs by nature is masked: times, and the ids of calls. A stream is compared without its transfer framing, because how many
tokens share a chunk depends on time. The last line is "N passed, M failed".
"""
import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import time

MASKS = [
    (re.compile(rb'"created(?:_at)?": ?\d+(?:\.\d+)?'), b'"created":0'),
    (re.compile(rb'"(completed_at)": ?\d+(?:\.\d+)?'), rb'"\1":0'),
    (re.compile(rb'nonce(-|=")[0-9a-f]{32}'), b'NONCE'),
    (re.compile(rb'"(?:call_|toolu_|chatcmpl-tool-)[0-9A-Za-z]+"'), b'"CALL"'),
]
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}, "required": ["city"]}
TOOL = {"type": "function", "function": {"name": "get_weather", "description": "The weather of a city.", "parameters": WEATHER}}
SUM = {"type": "function", "function": {"name": "add", "description": "Adds numbers.", "parameters": {"type": "object", "properties": {"a": {"type": "number"}, "b": {"type": "number"}}, "required": ["a", "b"], "additionalProperties": False}}}
PERSON = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 20}, "age": {"type": "integer", "minimum": 0, "maximum": 120}}, "required": ["name", "age"], "additionalProperties": False}
USER = [{"role": "user", "content": "Tell me a story about a fox."}]
HELLO = [{"role": "system", "content": "You are a helpful assistant."}, {"role": "user", "content": "Hello! Who are you?"}]
CALLED = [{"role": "user", "content": "What is the weather in Paris?"},
          {"role": "assistant", "content": None, "tool_calls": [{"id": "abc123def", "type": "function", "function": {"name": "get_weather", "arguments": "{\"city\": \"Paris\"}"}}]},
          {"role": "tool", "tool_call_id": "abc123def", "content": "Sunny, 21 degrees."}]


def chat(**fields):
    return "POST", "/v1/chat/completions", {"model": "demo-model", "messages": USER, "max_tokens": 40, "temperature": 0, **fields}


def completion(**fields):
    return "POST", "/v1/completions", {"model": "demo-model", "prompt": "Once upon a time", "max_tokens": 24, "temperature": 0, **fields}


def messages(**fields):
    return "POST", "/v1/messages", {"model": "demo-model", "messages": USER, "max_tokens": 40, "temperature": 0, **fields}


def responses(**fields):
    return "POST", "/v1/responses", {"model": "demo-model", "input": "Tell me a story about a fox.", "max_output_tokens": 40, "temperature": 0, **fields}


def generations():
    for make in (chat, completion, messages, responses):
        yield make()
        yield make(temperature=0.8, seed=7)
        yield make(temperature=1.0, top_p=0.9, top_k=20, min_p=0.02, seed=11)
        yield make(logit_bias={"42": 5, "77": -100}, seed=3)
        yield make(min_tokens=30)
    for make in (chat, completion):
        yield make(n=2, temperature=0.9, seed=5)
        yield make(stop=["fox", "\n\n"])
        yield make(stop="the", include_stop_str_in_output=True)
        yield make(repetition_penalty=1.2, presence_penalty=0.4, frequency_penalty=0.3)
        yield make(return_token_ids=True)
        yield make(prompt_logprobs=1)
        yield make(bad_words=["fox", "wolf"])
        yield make(ignore_eos=True)
        yield make(cache_salt="a", priority=3)
        yield make(response_format={"type": "json_object"})
        yield make(response_format={"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON}}, max_tokens=100)
        yield make(structured_outputs={"regex": "[a-z]{3,8} [0-9]{2}"})
        yield make(guided_choice=["red", "green", "blue"])
        yield make(structured_outputs={"grammar": "start: \"yes\" | \"no\""})
    yield chat(logprobs=True, top_logprobs=3)
    yield chat(messages=HELLO)
    yield chat(messages=[{"role": "user", "content": [{"type": "text", "text": "Name a "}, {"type": "text", "text": "colour."}]}])
    yield chat(messages=USER + [{"role": "assistant", "content": "Once upon"}], continue_final_message=True, add_generation_prompt=False)
    yield chat(messages=CALLED, tools=[TOOL])
    for choice in ("auto", "none", "required", {"type": "function", "function": {"name": "add"}}):
        yield chat(messages=[{"role": "user", "content": "What is the weather in Paris?"}], tools=[TOOL, SUM], tool_choice=choice, max_tokens=120)
    yield chat(messages=HELLO, tools=[TOOL], parallel_tool_calls=False, tool_choice="required", max_tokens=120)
    yield completion(logprobs=2, echo=True)
    yield completion(prompt=["One", "Two two", "Three"])
    yield completion(prompt=[[5, 6, 7], [8, 9]])
    yield completion(prompt=[5, 6, 7, 8])
    yield completion(prompt="Some words", max_tokens=0, echo=True, logprobs=1)
    yield messages(system="You are a helpful assistant.", stop_sequences=["fox"])
    yield messages(system=[{"type": "text", "text": "Be brief."}])
    tools = [{"name": "get_weather", "description": "The weather.", "input_schema": WEATHER}]
    for choice in ({"type": "auto"}, {"type": "any"}, {"type": "tool", "name": "get_weather"}, {"type": "none"}):
        yield messages(messages=[{"role": "user", "content": "What is the weather in Paris?"}], tools=tools, tool_choice=choice, max_tokens=120)
    yield messages(messages=[{"role": "user", "content": "Weather in Rome?"}, {"role": "assistant", "content": [{"type": "text", "text": "I look."}, {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Rome"}}]},
                             {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "Rain."}]}], tools=tools)
    yield messages(output_config={"format": {"type": "json_schema", "schema": PERSON}}, max_tokens=100)
    yield messages(thinking={"type": "disabled"})
    yield responses(instructions="Be brief.")
    yield responses(input=[{"role": "user", "content": [{"type": "input_text", "text": "Hello!"}]}])
    yield responses(text={"format": {"type": "json_schema", "name": "person", "schema": PERSON}}, max_output_tokens=100)
    flat = [{"type": "function", **TOOL["function"]}]
    for choice in ("auto", "required", "none", {"type": "function", "name": "get_weather"}):
        yield responses(input="What is the weather in Paris?", tools=flat, tool_choice=choice, max_output_tokens=120)
    yield responses(input=[{"role": "user", "content": "Weather in Rome?"}, {"type": "function_call", "call_id": "c1", "name": "get_weather", "arguments": "{\"city\":\"Rome\"}"},
                           {"type": "function_call_output", "call_id": "c1", "output": "Rain."}], tools=flat)
    yield responses(metadata={"a": "b"}, top_logprobs=0, truncation="disabled", user="u")


def errors():
    for make in (chat, completion, messages, responses):
        yield make(model="nobody")
        yield make(temperature="warm")
        yield make(temperature=9)
        yield make(top_p=-1)
        yield make(stream="yes")
        yield make(seed=1.5)
        yield make(logit_bias={"x": 1})
        yield make(n=100)
        yield make(tools={"a": 1})
        yield make(tools=[{"type": "function"}])
        yield make(tool_choice="always")
        yield make(response_format={"type": "yaml"})
        yield make(unknown_field=1)
        yield make(stop=5)
        method, path, body = make()
        for name in list(body):
            yield method, path, {key: value for key, value in body.items() if key != name}
            yield method, path, {**body, name: {"wrong": []}}
            yield method, path, {**body, name: None}
        for raw in (b"", b"{", b"[]", b"nonsense", b'{"model": "demo-model", "messages": "\xff"}', b'{"a":' * 100, b'"text"'):
            yield method, path, raw
        yield method, path, {**body, "max_tokens": 100000, "max_output_tokens": 100000}
    for bad in ([], [{"role": "king", "content": "a"}], [{"role": "user"}], [{"content": "a"}], [{"role": "user", "content": 5}],
                [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://x/y.png"}}]}], [{"role": "user", "content": [{"type": "text"}]}],
                [{"role": "tool", "content": "x"}], [{"role": "assistant", "content": "x", "tool_calls": [{"id": 1}]}], "text", [5]):
        yield chat(messages=bad)
        yield messages(messages=bad)
        yield responses(input=bad)
    yield chat(response_format={"type": "json_schema", "json_schema": {"name": "p", "schema": {"type": "object", "not": {}}}})
    yield messages(output_config={"format": {"type": "json_schema", "schema": {"type": "nothing"}}})
    yield responses(text={"format": {"type": "json_schema", "name": "p", "schema": {"type": "nothing"}}})
    yield responses(store=True)
    yield responses(background=True)
    yield responses(previous_response_id="resp_1")
    yield completion(prompt=[[1], 5])
    yield completion(prompt=[10 ** 9])
    yield completion(suffix="x", best_of=3)
    yield chat(functions=[])
    yield chat(logprobs=True, top_logprobs=99)
    yield chat(structured_outputs={"regex": "(", "json": {}})
    yield chat(response_format={"type": "json_object"}, tools=[TOOL])
    for method, path in (("GET", "/v1/models"), ("GET", "/v1/models/demo-model"), ("GET", "/v1/models/x"), ("GET", "/version"), ("GET", "/health"), ("GET", "/livez"), ("GET", "/readyz"),
                         ("GET", "/nothing"), ("PUT", "/v1/models"), ("GET", "/v1/chat/completions"), ("OPTIONS", "/v1/models"), ("HEAD", "/v1/models"), ("GET", "/openapi.json"), ("GET", "/")):
        yield method, path, None
    yield "POST", "/tokenize", {"prompt": "Hello fox"}
    yield "POST", "/tokenize", {"messages": USER}
    yield "POST", "/tokenize", {}
    yield "POST", "/detokenize", {"tokens": [5, 6, 7]}
    yield "POST", "/detokenize", {"tokens": "x"}
    yield "POST", "/v1/chat/completions/render", {"messages": HELLO, "tools": [TOOL]}
    yield "POST", "/v1/messages/count_tokens", {"model": "demo-model", "messages": USER}
    yield "POST", "/v1/messages/count_tokens", {"model": "demo-model", "messages": 5}


def requests():
    for method, path, body in generations():
        yield method, path, body
        yield method, path, {**body, "stream": True}
        if path.endswith("completions"):
            yield method, path, {**body, "stream": True, "stream_options": {"include_usage": True, "continuous_usage_stats": True}}
    yield from errors()


class Server:
    def __init__(self, binary, model, flags):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process = subprocess.Popen([binary, "serve", "--model-path", model, "--port", str(self.port), "--admin-port", "-1", "--kv-cache-memory-bytes", "256MiB", "--log-level", "warn", "--served-model-name", "demo-model", *flags])
        for _ in range(600):
            try:
                if self.ask("GET", "/readyz", None, "r")[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.1)
        sys.exit(f"{binary} is not ready after a minute")

    def ask(self, method, path, body, request_id):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection.request(method, path, data, {"Content-Type": "application/json", "X-Request-Id": request_id})
        answer = connection.getresponse()
        content, headers = answer.read(), [f"{name}: {value}" for name, value in answer.getheaders() if name != "Date"]
        connection.close()
        return answer.status, headers, content

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


def masked(content, num_choices=1):
    for pattern, replacement in MASKS:
        content = pattern.sub(replacement, content)
    if num_choices > 1 and content.startswith(b"data:"):
        # How the choices of a stream interleave depends on time: they are compared one after the other, without the running sums.
        events = [re.sub(rb'"usage":\{.*\}\}', b'"usage":0}', event) for event in content.split(b"\n\n")]
        content = b"\n\n".join(sorted(events, key=lambda event: (re.findall(rb'"index":(\d+)', event) or [b"~"])[0]))
    return content


def main():
    words, flags = (sys.argv[1:sys.argv.index("--")], sys.argv[sys.argv.index("--") + 1:]) if "--" in sys.argv else (sys.argv[1:], [])
    model = words[2] if len(words) > 2 else "configs/demo-model"
    servers = [Server(binary, model, flags) for binary in words[:2]]
    passed = failed = 0
    for index, (method, path, body) in enumerate(requests()):
        answers = []
        for server in servers:
            status, headers, content = server.ask(method, path, body, f"request-{index}")
            headers = [MASKS[2][0].sub(b"NONCE", h.encode()).decode() for h in headers]
            # A masked body's length is no length any more.
            headers = [h for h in headers if not h.startswith("Content-Length")] if masked(content) != content else headers
            answers.append((status, headers, masked(content, body.get("n", 1) if isinstance(body, dict) and isinstance(body.get("n"), int) else 1)))
        if answers[0] == answers[1]:
            passed += 1
            continue
        failed += 1
        print(f"--- {method} {path} {body if isinstance(body, bytes) else json.dumps(body)}")
        for name, answer in zip(("old", "new"), answers):
            print(f"{name}: {answer[0]} {answer[1]}\n     {answer[2].decode(errors='replace')[:3000]}")
    codes = [server.stop() for server in servers]
    if codes[0] != codes[1]:
        failed += 1
        print(f"exit codes: {codes}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
