# SPDX-License-Identifier: Apache-2.0
"""Each dialect of tool calls end to end: detected from a template, bound, read, and written by every API. The model is the demo model, which has learnt
only one of them: what binds the answer makes it write the others."""
import json

import jsonschema
import pytest

from contract import stream
from model_dir import ModelDir, copy_model
from server import MODEL, MODEL_DIR, Server

FRAME = ("{{ bos_token }}{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}<|{{ m.role }}|>{{ m.content or '' }}"
         "{% if m.tool_calls %}{% set f = m.tool_calls[0].function %}CALL{% endif %}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}")
ITEMS = "{% for k, v in f.arguments | items %}"
CALLS = {
    "hermes": '<tool_call>\n{"name": "{{ f.name }}", "arguments": {{ f.arguments | tojson }}}\n</tool_call>',
    "mistral": "[TOOL_CALLS]{{ f.name }}[ARGS]{{ f.arguments | tojson }}",
    "qwen3_coder": f"<tool_call>\n<function={{{{ f.name }}}}>\n{ITEMS}<parameter={{{{ k }}}}>\n{{{{ v }}}}\n</parameter>\n{{% endfor %}}</function>\n</tool_call>",
    "seed_oss": f"<seed:tool_call>\n<function={{{{ f.name }}}}>\n{ITEMS}<parameter={{{{ k }}}}>{{{{ v }}}}</parameter>\n{{% endfor %}}</function>\n</seed:tool_call>",
    "glm45": f"<tool_call>{{{{ f.name }}}}\n{ITEMS}<arg_key>{{{{ k }}}}</arg_key>\n<arg_value>{{{{ v }}}}</arg_value>\n{{% endfor %}}</tool_call>",
    "deepseek_v31": "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>{{ f.name }}<｜tool▁sep｜>{{ f.arguments | tojson }}<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
    "deepseek_v3": "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>{{ f.name }}\n```json\n{{ f.arguments | tojson }}\n```<｜tool▁call▁end｜>"
                   "<｜tool▁calls▁end｜>",
    "harmony": " to=functions.{{ f.name }}<|channel|>commentary json<|message|>{{ f.arguments | tojson }}<|call|>",
}
BOOK = {"type": "object", "properties": {
    "title": {"type": "string", "minLength": 1, "maxLength": 12}, "pages": {"type": "integer", "minimum": 1, "maximum": 99},
    "lent": {"type": "boolean"}, "kind": {"enum": ["novel", "a <b> \"c\""]}, "tags": {"type": "array", "items": {"enum": ["x", "y"]}, "maxItems": 2},
    "note": {"anyOf": [{"type": "string", "maxLength": 8}, {"type": "null"}]}},
    "required": ["title", "pages", "lent", "kind", "tags", "note"], "additionalProperties": False}
FUNCTION = {"name": "add_book", "description": "Add a book.", "parameters": BOOK}
TOOLS = [{"type": "function", "function": FUNCTION}]
ASK = [{"role": "user", "content": "Hello!"}]
CHAT = {"model": MODEL, "messages": ASK, "tools": TOOLS, "tool_choice": "required", "parallel_tool_calls": False, "max_tokens": 400, "temperature": 1}


def without_beginnings(server, word):
    ids = [server.post("/tokenize", {"model": MODEL, "prompt": word[:n], "add_special_tokens": False}).json()["tokens"] for n in range(1, len(word) + 1)]
    return {str(tokens[0]): -100 for tokens in ids if len(tokens) == 1}


@pytest.fixture(scope="module", params=CALLS)
def speaker(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "template.jinja").write_text(FRAME.replace("CALL", CALLS[request.param]))
    running = Server(folder / "log", "--chat-template", folder / "template.jinja")
    # Once it reasons, the demo model does not end: it is kept from the word that begins that.
    running.fields = {"logit_bias": without_beginnings(running, "analysis")} if request.param == "harmony" else {}
    yield request.param, running
    running.stop()


def check(name, arguments):
    assert name == "add_book"
    jsonschema.validate(arguments, BOOK)
    return arguments


def test_detected(speaker):
    dialect, server = speaker
    assert f"tool calls: {dialect}" in server.log()


@pytest.mark.parametrize("seed", range(4))
def test_chat_completions(speaker, seed):
    _, server = speaker
    body = {**CHAT, **server.fields, "seed": seed}
    response = server.post("/v1/chat/completions", body)
    assert response.status_code == 200, response.text
    [choice] = response.json()["choices"]
    assert choice["finish_reason"] == "tool_calls" and choice["message"]["content"] is None, choice
    [call] = choice["message"]["tool_calls"]
    arguments = check(call["function"]["name"], json.loads(call["function"]["arguments"]))
    chunks = [c["choices"][0] for c in stream(server, "/v1/chat/completions", body) if c["choices"]]
    deltas = [d for c in chunks for d in c["delta"].get("tool_calls") or []]
    assert len(deltas) > 1 and {d["index"] for d in deltas} == {0} and deltas[0]["function"]["name"] == "add_book"
    assert json.loads("".join(d["function"].get("arguments", "") for d in deltas)) == arguments
    assert chunks[-1]["finish_reason"] == "tool_calls" and not any(c["delta"].get("content") for c in chunks)


def test_calls_in_history(speaker):
    """What the template writes of an earlier call is what it was."""
    _, server = speaker
    call = {"id": "abcdefghi", "type": "function", "function": {"name": "add_book", "arguments": '{"title": "Ulysses"}'}}
    messages = [*ASK, {"role": "assistant", "content": None, "tool_calls": [call]}, {"role": "tool", "tool_call_id": "abcdefghi", "content": "done"}]
    prompt = server.post("/v1/chat/completions/render", {"model": MODEL, "messages": messages, "tools": TOOLS}).json()["prompt"]
    assert "add_book" in prompt and "Ulysses" in prompt


def finished(server, path, body, is_finished):
    """The answer to the first of some seeds that ends by itself: white space may use up another one's tokens."""
    answers = (server.post(path, {**body, "seed": seed}).json() for seed in range(1, 9))
    return next(answer for answer in answers if is_finished(answer))


def test_messages_and_responses(speaker):
    _, server = speaker
    sampling = {"temperature": 1, **server.fields}
    body = {"model": MODEL, "messages": ASK, "max_tokens": 400, **sampling, "tools": [{"name": "add_book", "input_schema": BOOK}],
            "tool_choice": {"type": "any", "disable_parallel_tool_use": True}}
    message = finished(server, "/v1/messages", body, lambda m: m["stop_reason"] == "tool_use")
    [block] = [b for b in message["content"] if b["type"] == "tool_use"]
    check(block["name"], block["input"])
    body = {"model": MODEL, "input": "Hello!", "max_output_tokens": 400, **sampling, "parallel_tool_calls": False,
            "tools": [{"type": "function", **FUNCTION}], "tool_choice": "required"}
    response = finished(server, "/v1/responses", body, lambda r: r["status"] == "completed")
    [item] = [i for i in response["output"] if i["type"] == "function_call"]
    check(item["name"], json.loads(item["arguments"]))


def test_a_model_of_another_dialect_has_none(start, tmp_path):
    """Calls written <invoke name=...> are none of ours, and what is not known is refused rather than misread."""
    (tmp_path / "template.jinja").write_text(FRAME.replace("CALL", '<tool_call><invoke name="{{ f.name }}">{{ f.arguments | tojson }}</invoke></tool_call>'))
    server = start("--device", "fake", "--chat-template", tmp_path / "template.jinja")
    response = server.post("/v1/chat/completions", CHAT)
    assert response.status_code == 400 and response.json()["error"]["code"] == "unsupported_parameter"


HARMONY_FORMATS = [
    {"response_format": {"type": "json_schema", "json_schema": {"name": "b", "schema": {"type": "object", "properties": {"x": {"enum": [1, 2]}},
                                                                                         "required": ["x"], "additionalProperties": False}}}},
    {"structured_outputs": {"regex": "[a-c]{3}"}},
]


@pytest.mark.parametrize("fields", HARMONY_FORMATS, ids=["schema", "regex"])
def test_a_format_binds_harmonys_final_message(start, tmp_path, fields):
    (tmp_path / "template.jinja").write_text(FRAME.replace("CALL", CALLS["harmony"]) + "{# <|channel|>analysis<|message|> #}")
    server = start("--chat-template", tmp_path / "template.jinja")
    assert "reasoning: <|channel|>analysis<|message|>" in server.log()
    body = {"model": MODEL, "messages": ASK, "max_tokens": 200, "temperature": 0, **fields}
    [choice] = server.post("/v1/chat/completions", body).json()["choices"]
    text = choice["message"]["content"]
    assert choice["finish_reason"] in ("stop", "length") and "<|" not in (text or "") + (choice["message"]["reasoning_content"] or "")
    if choice["finish_reason"] == "stop":
        assert len(text) == 3 or json.loads(text)["x"] in (1, 2)


@pytest.mark.parametrize("dialect, reason", [("harmony", "stop"), ("hermes", "length")])
def test_what_ends_a_call_ends_the_answer(start, tmp_path, dialect, reason):
    """Though the model's files do not name it. What the demo model ends its turns with is called <|call|> here, and no end token."""
    model = ModelDir(copy_model(MODEL_DIR, tmp_path / "demo-model"))
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        model.write(name, model.read(name).decode().replace("<|eot_id|>", "<|call|>"))
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        model.edit_json(name, lambda config: config.update(eos_token="<|end_of_text|>"))
    for name in ("config.json", "generation_config.json"):
        model.edit_json(name, lambda config: config.update(eos_token_id=6137))
    server = start("--tool-call-parser", dialect, model_dir=model.path)
    [choice] = server.chat("Hello!", temperature=0, max_tokens=60).json()["choices"]
    assert choice["finish_reason"] == reason
