#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes what the text tests compare with: ids and renderings by Hugging Face's own libraries.

Usage: make_tokenizer_reference.py strings TOKENIZER_DIR OUT.json      ids, decoded texts and chats with the model's template
       make_tokenizer_reference.py templates TOKENIZER_DIR OUT.json    chats with each template of tests/data/templates
Needs transformers 5.
"""
import json
import random
import sys
from pathlib import Path

from transformers import AutoTokenizer

FIXED = [
    "", " ", "  ", "\n", "\r\n", "\t", "a", "Hello, world!", " leading", "trailing ", "  two  spaces  ", "It's we'll I'D THEY'RE", "12345678901",
    "naïve café", "nai\u0308ve cafe\u0301", "Å\u212b", "日本語のテキスト", "한국어", "مرحبا بالعالم", "שלום", "ไทย", "हिन्दी", "🙂", "👨‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪🇫🇷",
    "a\u0300\u0301\u0302", "\u200b\u200d\ufeff", "\u202eabc", "\x00\x01\x7f", "\ufffe\uffff", "\ue000\uf8ff", "\U0010ffff", "\u0378", "e = mc²", "½ ⅓ Ⅷ ①",
    "def f(x):\n    return x ** 2\n\n\nprint(f(3))", "<|im_start|>user\nhi<|im_end|>", "<|endoftext|>", "<|im_end|", "<tool_call>x</tool_call>", "a<|im_end|> b",
    " <|endoftext|> ", "https://example.org/a?b=c&d=%20", '{"a": [1, 2.5, null, true]}', "\n\n \n  \n", "x\n\n\n\ny", "   \n   x", "ǅ ß ﬁ İ ı", "!!!???...---", "''\"\"``",
]
TOOLS = [
    {"type": "function", "function": {"name": "get_weather", "description": "Weather in a \"city\" <now> & it's här — 天気",
     "parameters": {"type": "object", "properties": {"city": {"type": "string", "enum": ["Köln", "São Paulo"]}, "days": {"type": "integer", "default": 3}},
                    "required": ["city"]}}},
    {"type": "function", "function": {"name": "noop", "description": "", "parameters": {"type": "object", "properties": {}}}},
]
ARGUMENTS = {"city": "Köln \"x\" 🙂", "nested": {"z": [1, 2.5, None, True, 1e20, 1e-7], "a": {"q": "it's\n<b>"}}, "empty": {}, "list": []}


def chats():
    user = {"role": "user", "content": "Hello, \"world\" — it's <b>天気</b> & 🙂\n\\n"}
    system = {"role": "system", "content": " Be brief. "}
    answer = {"role": "assistant", "content": "\nFine, thanks.  "}
    call = {"role": "assistant", "content": "", "tool_calls": [{"id": "abcdefghi", "type": "function", "function": {"name": "get_weather", "arguments": ARGUMENTS}}]}
    two = {"role": "assistant", "content": "Looking.", "tool_calls": [call["tool_calls"][0], {"id": "123456789", "type": "function", "function": {"name": "noop", "arguments": {}}}]}
    result = {"role": "tool", "name": "get_weather", "tool_call_id": "abcdefghi", "content": "{\"t\": 21.5}"}
    think = {"role": "assistant", "content": "<think>\nhm\n</think>\n\nYes."}
    lists = [[user], [system, user], [user, answer, user], [system, user, answer, user], [user, call, result], [user, call, result, answer, user],
             [system, user, two, result, dict(result, tool_call_id="123456789")], [user, think], [user, think, user], [user, user]]
    return [{"messages": m, "tools": t, "add_generation_prompt": g} for m in lists for t in (None, TOOLS) for g in (True, False)]


def template_chats():
    """For many templates: fewer combinations, and what single families read."""
    made = [c for c in chats() if not (c["tools"] and not c["add_generation_prompt"])]
    user = {"role": "user", "content": "Hi, what's 2 + 2?"}
    answer = {"role": "assistant", "content": "It is 4, "}
    thought = {"role": "assistant", "content": "4.", "reasoning_content": "\nTwo and two.\n"}
    system = {"role": "system", "content": "Be brief."}
    call = {"id": "abcdefghi", "type": "function", "function": {"name": "get_weather", "arguments": ARGUMENTS}}
    silent = {"role": "assistant", "content": None, "tool_calls": [call]}
    result = {"role": "tool", "name": "get_weather", "tool_call_id": "abcdefghi", "content": "21 °C"}
    parts = [{"type": "text", "text": "First part."}, {"type": "text", "text": " Second part — é🙂"}]
    documents = [{"title": "A \"title\"", "text": "Some text.\nMore."}, {"title": "Ü", "text": "It's <b>."}]

    def add(messages, tools=None, more=True, **fields):
        made.append({"messages": messages, "tools": tools, "add_generation_prompt": more, **fields})

    for thinking in (True, False):
        add([user], kwargs={"enable_thinking": thinking})
        add([user, thought, user], kwargs={"enable_thinking": thinking})
    add([user, thought])
    add([user, thought, user, thought], more=False)
    add([system, user], TOOLS, kwargs={"tools_in_user_message": False, "date_string": "01 Jan 2026"})
    add([user], kwargs={"date_string": "1 Jan 2026"})
    add([user, silent, result], TOOLS)
    add([user, silent, result, answer, user, silent, result, result], TOOLS)
    add([user], [])
    add([dict(system, content=""), user], TOOLS)
    add([user, dict(answer, tool_calls=[call]), result], [])
    add([user, {"role": "assistant", "tool_calls": [call]}, result, thought], TOOLS, more=False)
    add([user, dict(thought, tool_calls=[call]), result], TOOLS)
    add([system, user], documents=documents)
    add([user, answer], more=False, continue_final_message=True)
    add([user, {"role": "assistant", "content": " Trailing space "}], more=False, continue_final_message=True)
    add([user, dict(answer, content="\n\nlines\n")], more=False, continue_final_message=True)
    add([{"role": "user", "content": parts}], parts=True)
    add([{"role": "system", "content": parts[:1]}, {"role": "user", "content": parts}, answer, user], parts=True)
    return made


# Templates that read contents given in parts; others would print the list.
READ_PARTS = {"gemma.jinja", "glm4_5.jinja", "granite4.jinja", "minimax_m2.jinja", "qwen3_5.jinja", "mistral_v7.jinja", "vision.jinja"}


def strings():
    rng = random.Random(20240817)
    pools = ["abcdefghij ETAOIN", "0123456789.,", " \t\n\r", "äöüßéñçøå", "日本語中文漢字かなカナ", "🙂🚀👩‍💻🏽❤️", "اللغةعברית", "!?#$%&*()[]{}<>|/\\'\"`~^_+-=:;@", "e\u0301\u0308\u0327\u200d\ufe0f"]
    made = list(FIXED) + [c * n for c in "a^ \n1éZ=\u0301🙂" for n in (2, 17, 200)]
    while len(made) < 420:
        made.append("".join(rng.choice(rng.choice(rng.sample(pools, 3))) for _ in range(rng.randint(1, 60))))
    made += ["".join(chr(c) for c in (rng.randrange(0x110000) for _ in range(20)) if not 0xD800 <= c < 0xE000) for _ in range(60)]
    return made


def render(tokenizer, chat, **extra):
    more = {k: chat[k] for k in ("documents", "continue_final_message") if k in chat}
    try:
        return {"rendered": tokenizer.apply_chat_template(chat["messages"], tools=chat["tools"], tokenize=False, add_generation_prompt=chat["add_generation_prompt"],
                                                          **more, **chat.get("kwargs", {}), **extra)}
    except Exception as error:  # the template refuses the messages: so must ours
        return {"error": str(error)[:200]}


def main(kind, directory, out):
    tokenizer = AutoTokenizer.from_pretrained(directory)
    if kind == "strings":
        rows = [{"text": s, "ids": (ids := tokenizer.backend_tokenizer.encode(s, add_special_tokens=False).ids),
                 "decoded": tokenizer.backend_tokenizer.decode(ids, skip_special_tokens=False)} for s in strings()]
        rendered = []
        for chat in chats():
            row = dict(chat, **render(tokenizer, chat))
            if "rendered" in row:
                row["ids"] = tokenizer.backend_tokenizer.encode(row["rendered"], add_special_tokens=False).ids
            rendered.append(row)
        data = {"strings": rows, "chats": rendered}
    else:
        folder = Path(__file__).resolve().parent.parent / "tests/data/templates"
        inputs = template_chats()
        data = {"chats": inputs, "templates": {}}
        for path in sorted(folder.glob("*.jinja")):
            rows = [None if c.get("parts") and path.name not in READ_PARTS else render(tokenizer, c, chat_template=path.read_text()) for c in inputs]
            data["templates"][path.name] = rows
    Path(out).write_text(json.dumps(data, ensure_ascii=False, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
