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


def test_summary(server):
    text = ("The town library is holding a book sale on Friday at 3 p.m. at the park. There will be live music, a quiz and free lemonade. "
            "Tickets cost 4 euros, and children get in for free. The money will be used for new books.")
    choice = answer(server, user(f"Summarise this text as bullet points:\n\n{text}"))
    lines = choice["message"]["content"].splitlines()
    assert choice["finish_reason"] == "stop" and len(lines) >= 3 and all(line.startswith("- ") for line in lines)
    assert "book sale" in lines[0].lower() and any("4 euros" in line for line in lines)


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


def test_templates_that_loop_cost_a_clear_400(start, tmp_path):
    template = tmp_path / "loop.jinja"
    template.write_text("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}")
    server = start("--chat-template", template)
    from contract import check_error
    check_error(server.chat(), 400, "messages")
    assert server.complete().status_code == 200
