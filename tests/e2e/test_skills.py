# SPDX-License-Identifier: Apache-2.0
"""What the demo model can do, through the API as a program would ask."""
import json

import jsonschema
import pytest

from server import MODEL

ASK = {"model": MODEL, "temperature": 0, "max_tokens": 200}


def answer(server, *messages, **fields):
    response = server.post("/v1/chat/completions", {**ASK, "messages": list(messages), **fields})
    assert response.status_code == 200, response.text
    return response.json()["choices"][0]


def user(content):
    return {"role": "user", "content": content}


SALE = ("The town library is holding a book sale on Friday at 3 p.m. at the park. There will be live music, a quiz and free lemonade. "
        "Tickets cost 4 euros, and children get in for free. The money will be used for new books.")
ANNA = "Anna is a 34-year-old teacher from Oslo. She likes hiking and chess. One day, she wants to write a book."
BEN = "Ben is a 28-year-old cook from Rome. He likes swimming and reading. One day, he wants to open a restaurant."


@pytest.mark.parametrize("text, words", [(SALE, ("book sale", "park", "4 euros")), (BEN, ("Ben", "Rome", "cook"))], ids=["sale", "ben"])
def test_summary_as_bullet_points(server, text, words):
    choice = answer(server, user(f"Summarise this text as bullet points:\n\n{text}"))
    summary = choice["message"]["content"]
    assert choice["finish_reason"] == "stop" and len(summary.splitlines()) >= 3 and all(line.startswith("- ") for line in summary.splitlines())
    assert all(word.lower() in summary.lower() for word in words)


@pytest.mark.parametrize("text, words", [(SALE, ("book sale", "Friday")), (ANNA, ("Anna", "teacher", "Oslo")), (BEN, ("Ben", "cook", "Rome"))], ids=["sale", "anna", "ben"])
def test_summary_in_one_sentence(server, text, words):
    choice = answer(server, user(f"Summarise this text in one sentence:\n\n{text}"))
    summary = choice["message"]["content"]
    assert choice["finish_reason"] == "stop" and len(summary) < len(text) and summary.endswith(".") and "\n" not in summary
    assert all(word in summary for word in words)


def test_json_answer(server):
    schema = {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}, "required": ["name", "age"]}
    choice = answer(server, user(f"Answer with JSON that matches this schema: {json.dumps(schema)}\n\nText: Anna is 12 years old."))
    found = json.loads(choice["message"]["content"])
    jsonschema.validate(found, schema)
    assert found == {"name": "Anna", "age": 12}


def test_memory_over_turns(server):
    choice = answer(server, user("My name is Zoltan. I live in Oslo."), {"role": "assistant", "content": "Nice to meet you, Zoltan!"}, user("Where do I live?"))
    assert "Oslo" in choice["message"]["content"]


def test_content_in_parts(server):
    parts = user([{"type": "text", "text": "What is the capital of Japan?"}])
    assert answer(server, parts)["message"] == answer(server, user("What is the capital of Japan?"))["message"]


def test_continued_message(server):
    choice = answer(server, user("What is the capital of Japan?"), {"role": "assistant", "content": "The capital of Japan is"},
                    continue_final_message=True, add_generation_prompt=False)
    assert choice["message"]["content"].startswith(" Tokyo")


OPENED = """{{- bos_token }}{%- for m in messages %}{{- '<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' + m.content + '<|eot_id|>' }}{%- endfor %}
{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{%- if enable_thinking is defined and not enable_thinking %}
{{- '<think></think>' }}{%- else %}{{- '<think>\n' }}{%- endif %}{%- endif %}"""


@pytest.fixture(scope="module")
def thinking(tmp_path_factory):
    """A template that opens the reasoning in the prompt; the model knows nothing of it and goes on until it stops."""
    from server import Server
    folder = tmp_path_factory.mktemp("thinking")
    (folder / "template.jinja").write_text(OPENED)
    running = Server(folder / "log", "--chat-template", folder / "template.jinja")
    yield running
    running.stop()


def test_reasoning_opened_by_the_prompt(thinking):
    body = {**ASK, "messages": [user("Hello!")], "max_tokens": 30}
    whole = thinking.post("/v1/chat/completions", body).json()
    message, usage = whole["choices"][0]["message"], whole["usage"]
    assert message["reasoning_content"] and message["content"] == ""
    assert usage["completion_tokens_details"]["reasoning_tokens"] == usage["completion_tokens"]
    from contract import stream
    deltas = [c["choices"][0]["delta"] for c in stream(thinking, "/v1/chat/completions", body) if c["choices"]]
    assert "".join(d.get("reasoning_content", "") for d in deltas) == message["reasoning_content"]
    assert not any(d.get("content") for d in deltas)


def test_reasoning_switched_off(thinking):
    body = {**ASK, "messages": [user("Hello!")], "max_tokens": 30, "chat_template_kwargs": {"enable_thinking": False}}
    whole = thinking.post("/v1/chat/completions", body).json()
    assert whole["choices"][0]["message"]["content"] and whole["choices"][0]["message"]["reasoning_content"] is None
    assert whole["usage"]["completion_tokens_details"]["reasoning_tokens"] == 0


@pytest.fixture(scope="module")
def opening(tmp_path_factory):
    """A template that leaves it to the model whether to reason."""
    from server import Server
    running = Server(tmp_path_factory.mktemp("opening") / "log", "--reasoning-parser", "qwen3")
    yield running
    running.stop()


@pytest.mark.parametrize("pattern, reasons, answers", [
    (r"<think>\n[a-z ]{8,40}[a-z]\n</think>\n\n[A-Z][a-z ]{8,40}\.", True, True), (r"<think></think>[A-Z][a-z ]{8,40}\.", False, True),
    (r"<think>[a-z ]{8,40}[a-z]</think>", True, False), (r"[A-Z][a-z]{4,20}<think>[a-z ]{8,20}</think>", False, True)],
    ids=["both", "empty", "only", "later"])
def test_reasoning_opened_by_the_model(opening, pattern, reasons, answers):
    """The demo model does not reason by itself; a pattern has it write the markers. Only one that begins the answer counts."""
    from contract import stream
    body = {**ASK, "messages": [user("Hello!")], "structured_outputs": {"regex": pattern}}
    whole = opening.post("/v1/chat/completions", body).json()
    message, details = whole["choices"][0]["message"], whole["usage"]["completion_tokens_details"]
    assert whole["choices"][0]["finish_reason"] == "stop"
    assert bool(message["reasoning_content"]) == reasons and bool(message["content"]) == answers
    assert "think>" not in (message["reasoning_content"] or "") and ("think>" in message["content"]) == message["content"].endswith("</think>")
    assert all(text == text.strip() for text in (message["reasoning_content"] or "", message["content"]))
    assert (0 < details["reasoning_tokens"] <= whole["usage"]["completion_tokens"]) == pattern.startswith("<think>"), "the markers count too"
    deltas = [c["choices"][0]["delta"] for c in stream(opening, "/v1/chat/completions", body) if c["choices"]]
    assert "".join(d.get("reasoning_content") or "" for d in deltas) == (message["reasoning_content"] or "")
    assert "".join(d.get("content") or "" for d in deltas) == message["content"]


@pytest.fixture(scope="module")
def reasoner(tmp_path_factory):
    """The demo model, whose end of a turn is called </think> here: so what it says first is its reasoning, and it may go on."""
    from model_dir import ModelDir, copy_model
    from server import MODEL_DIR, Server
    folder = tmp_path_factory.mktemp("reasoner")
    model = ModelDir(copy_model(MODEL_DIR, folder / "demo-model"))
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        model.write(name, model.read(name).decode().replace("<|eot_id|>", "</think>"))
    model.edit_json("tokenizer_config.json", lambda config: config.update(eos_token="<|end_of_text|>"))
    model.edit_json("special_tokens_map.json", lambda tokens: tokens.update(eos_token="<|end_of_text|>"))
    for name in ("config.json", "generation_config.json"):
        model.edit_json(name, lambda config: config.update(eos_token_id=6137))
    template = OPENED.replace("<|eot_id|>", "</think>").replace("{{- bos_token }}", "{{- bos_token }}{%- if tools %}{{- tools | tojson }}{%- endif %}")
    (folder / "template.jinja").write_text(template)
    running = Server(folder / "log", "--chat-template", folder / "template.jinja", "--tool-call-parser", "llama3_json", model_dir=model.path)
    yield running
    running.stop()


PET = {"type": "object", "properties": {"pet": {"enum": ["cat", "dog"]}}, "required": ["pet"], "additionalProperties": False}
LOOK_UP = {"type": "function", "function": {"name": "look_up", "parameters": PET}}


@pytest.mark.parametrize("fields, valid", [
    ({"response_format": {"type": "json_schema", "json_schema": {"name": "pet", "schema": PET}}}, lambda m: json.loads(m["content"])["pet"] in ("cat", "dog")),
    ({"structured_outputs": {"choice": ["cat", "dog"]}}, lambda m: m["content"] in ("cat", "dog")),
    ({"structured_outputs": {"regex": "[a-c]{3}"}}, lambda m: len(m["content"]) == 3 and set(m["content"]) <= set("abc")),
    ({"tools": [LOOK_UP], "tool_choice": "required", "parallel_tool_calls": False},
     lambda m: m["content"] is None and json.loads(m["tool_calls"][0]["function"]["arguments"])["pet"] in ("cat", "dog")),
], ids=["schema", "choice", "regex", "tool"])
def test_a_format_binds_what_comes_after_the_reasoning(reasoner, fields, valid):
    from contract import stream
    body = {**ASK, "messages": [user("Hello!")], **fields}
    response = reasoner.post("/v1/chat/completions", body)
    assert response.status_code == 200, response.text
    [choice] = response.json()["choices"]
    message = choice["message"]
    assert choice["finish_reason"] in ("stop", "tool_calls") and len(message["reasoning_content"]) > 5 and "{" not in message["reasoning_content"]
    assert valid(message), message
    deltas = [c["choices"][0]["delta"] for c in stream(reasoner, "/v1/chat/completions", body) if c["choices"]]
    assert "".join(d.get("reasoning_content") or "" for d in deltas) == message["reasoning_content"]
    assert "".join(d.get("content") or "" for d in deltas) == (message["content"] or "")


def test_templates_that_loop_cost_a_clear_400(start, tmp_path):
    template = tmp_path / "loop.jinja"
    template.write_text("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}")
    server = start("--chat-template", template)
    from contract import check_error
    check_error(server.chat(), 400, "messages")
    assert server.complete().status_code == 200
