// SPDX-License-Identifier: Apache-2.0
#include "written_call.h"

#include <gmock/gmock.h>

#include "ember/text/chat_template.h"
#include "text/fixtures.h"

namespace ember {
namespace {

std::string dialect_of(const std::string& source) {
  const auto compiled = ChatTemplate::compile(source, "", test::demo());
  EXPECT_TRUE(compiled.ok()) << source;
  const ToolDialect* dialect = compiled.ok() ? compiled.value()->tool_dialect() : nullptr;
  return dialect != nullptr ? std::string(dialect->name) : "none";
}

// A chat in which an assistant's calls are written so; f is one call's function.
std::string with_calls(const std::string& calls, const std::string& system = {}) {
  return "{% if tools %}<|system|>{{ tools | tojson }} " + system +
         "{% endif %}{% for m in messages %}<|{{ m.role }}|>{{ m.content or '' }}"
         "{% if m.tool_calls %}{% set f = m.tool_calls[0].function %}" +
         calls + "{% endif %}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}";
}

struct Family {
  const char *name, *calls, *dialect;
};

// How the families write a call.
const Family kFamilies[] = {
    {"Qwen2.5, Qwen3, Hermes, Granite 4",
     "<tool_call>\n{\"name\": \"{{ f.name }}\", \"arguments\": {{ f.arguments | tojson "
     "}}}\n</tool_call>",
     "hermes"},
    {"Qwen3-Coder, Qwen3.5, Nemotron 3, Step 3.5",
     "<tool_call>\n<function={{ f.name }}>\n{% for k, v in f.arguments | items %}<parameter={{ k "
     "}}>\n"
     "{{ v }}\n</parameter>\n{% endfor %}</function>\n</tool_call>",
     "qwen3_coder"},
    {"Seed-OSS",
     "<seed:tool_call>\n<function={{ f.name }}>\n{% for k, v in f.arguments | items "
     "%}<parameter={{ k }}>"
     "{{ v }}</parameter>\n{% endfor %}</function>\n</seed:tool_call>",
     "seed_oss"},
    {"GLM-4.5, GLM-4.6, Ling",
     "<tool_call>{{ f.name }}\n{% for k, v in f.arguments | items %}<arg_key>{{ k }}</arg_key>\n"
     "<arg_value>{{ v }}</arg_value>\n{% endfor %}</tool_call>",
     "glm45"},
    {"GLM-4.7, GLM-5",
     "</think><tool_call>{{ f.name }}{% for k, v in f.arguments | items %}<arg_key>{{ k "
     "}}</arg_key>"
     "<arg_value>{{ v }}</arg_value>{% endfor %}</tool_call>",
     "glm45"},
    {"GLM-4-0414", "{{ f.name }}\n{{ f.arguments | tojson }}<|observation|>", "glm4"},
    {"Llama 3.1",
     "{\"name\": \"{{ f.name }}\", \"parameters\": {{ f.arguments | tojson }}}<|eot_id|>",
     "llama3_json"},
    {"Llama 4",
     "<|python_start|><|python_end|>{\"name\": \"{{ f.name }}\", \"parameters\": {{ f.arguments | "
     "tojson }}}",
     "llama3_json"},
    {"Mistral",
     "[TOOL_CALLS] [{\"name\": \"{{ f.name }}\", \"arguments\": {{ f.arguments | tojson }}, "
     "\"id\": \"abcdefghi\"}]</s>",
     "mistral"},
    {"Mistral Small 3.2",
     "[TOOL_CALLS]{{ f.name }}[CALL_ID]abcdefghi[ARGS]{{ f.arguments | tojson }}</s>", "mistral"},
    {"Devstral, Magistral, Ministral 3",
     "[TOOL_CALLS]{{ f.name }}[ARGS]{{ f.arguments | tojson }}</s>", "mistral"},
    {"DeepSeek R1 and V3",
     "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>{{ f.name }}\n```json\n"
     "{{ f.arguments | tojson }}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
     "deepseek_v3"},
    {"DeepSeek V3.1",
     "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>{{ f.name }}<｜tool▁sep｜>{{ f.arguments | tojson "
     "}}"
     "<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
     "deepseek_v31"},
    {"gpt-oss",
     " to=functions.{{ f.name }}<|channel|>commentary json<|message|>{{ f.arguments | tojson "
     "}}<|call|>",
     "harmony"},
    {"DeepSeek V3.2",
     "<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"{{ f.name }}\">\n{% for k, v in f.arguments "
     "| items %}"
     "<｜DSML｜parameter name=\"{{ k }}\" string=\"true\">{{ v }}</｜DSML｜parameter>\n{% endfor %}"
     "</｜DSML｜invoke>\n</｜DSML｜function_calls>",
     "none"},
    {"Kimi K2",
     "<|tool_calls_section_begin|><|tool_call_begin|>functions.{{ f.name "
     "}}:0<|tool_call_argument_begin|>"
     "{{ f.arguments | tojson }}<|tool_call_end|><|tool_calls_section_end|>",
     "none"},
    {"MiniMax M1",
     "<tool_calls>\n{\"name\": \"{{ f.name }}\", \"arguments\": {{ f.arguments | tojson "
     "}}}\n</tool_calls>",
     "none"},
    {"MiniMax M2",
     "<minimax:tool_call>\n<invoke name=\"{{ f.name }}\">\n{% for k, v in f.arguments | items %}"
     "<parameter name=\"{{ k }}\">{{ v }}</parameter>\n{% endfor %}</invoke>\n</minimax:tool_call>",
     "none"},
    {"Nemotron Nano 2",
     "<TOOLCALL>[{\"name\": \"{{ f.name }}\", \"arguments\": {{ f.arguments | tojson "
     "}}}]</TOOLCALL>",
     "none"},
    {"Apriel",
     "<tool_calls>[{\"name\": \"{{ f.name }}\", \"arguments\": {{ f.arguments | tojson "
     "}}}]</tool_calls>",
     "none"},
    {"Phi-4-mini",
     "<|tool_call|>[{\"name\": \"{{ f.name }}\", \"parameters\": {{ f.arguments | tojson "
     "}}}]<|/tool_call|>",
     "none"},
    {"Granite 3",
     "<|tool_call|>[{\"name\": \"{{ f.name }}\", \"arguments\": {{ f.arguments | tojson }}}]",
     "none"},
    {"Command R7B, Command A",
     "<|START_ACTION|>[\n    {\"tool_call_id\": \"0\", \"tool_name\": \"{{ f.name }}\", "
     "\"parameters\": "
     "{{ f.arguments | tojson }}}\n]<|END_ACTION|>",
     "none"},
    {"Command R+",
     "Action:\n```json\n[{\"tool_name\": \"{{ f.name }}\", \"parameters\": {{ f.arguments | tojson "
     "}}}]```",
     "none"},
    {"functionary 3.1", "<function={{ f.name }}>{{ f.arguments | tojson }}</function><|eom_id|>",
     "none"},
    {"functionary 3.2", ">>>{{ f.name }}\n{{ f.arguments | tojson }}<|eot_id|>", "none"},
    {"OLMo 3", "<function_calls>{{ f.name }}(probe_key=\"probe_value\")</function_calls>", "none"},
    {"LFM2", "<|tool_call_start|>[{{ f.name }}(probe_key=\"probe_value\")]<|tool_call_end|>",
     "none"},
    {"Apertus", "<|tools_prefix|>[{\"{{ f.name }}\": {{ f.arguments | tojson }}}]<|tools_suffix|>",
     "none"},
    {"Gemma 4", "<|tool_call>call:{{ f.name }}{probe_key:<|\"|>probe_value<|\"|>}<tool_call|>",
     "none"},
    {"MiniCPM5",
     "<function name=\"{{ f.name }}\">{% for k, v in f.arguments | items %}<param name=\"{{ k "
     "}}\">{{ v }}</param>"
     "{% endfor %}</function>",
     "none"},
    {"GigaChat 3",
     "<|message_sep|>\n\nfunction call<|role_sep|>\n{\"name\": \"{{ f.name }}\", \"arguments\": {{ "
     "f.arguments | tojson }}}",
     "none"},
    {"GigaChat 3.1",
     "<|function_call|>{\"name\": \"{{ f.name }}\", \"arguments\": {{ f.arguments | tojson }}}",
     "none"},
    {"Hunyuan 3",
     "<tool_call:opensource>{{ f.name }}<tool_sep:opensource>\n{% for k, v in f.arguments | items "
     "%}"
     "<arg_key:opensource>{{ k }}</arg_key:opensource>\n<arg_value:opensource>{{ v "
     "}}</arg_value:opensource>\n"
     "{% endfor %}</tool_call:opensource>",
     "none"},
    {"Solar Open",
     "<|tool_calls|><|tool_call:begin|>abc<|tool_call:name|>{{ f.name }}<|tool_call:args|>{{ "
     "f.arguments | tojson }}"
     "<|tool_call:end|><|calls|>",
     "none"},
    {"FireFunction 2",
     " functools[{\"name\": \"{{ f.name }}\", \"arguments\": {{ f.arguments | tojson }}}]", "none"},
    {"EXAONE 4",
     "<tool_call>{\"name\": \"{{ f.name }}\", \"arguments\": {{ f.arguments | tojson "
     "}}}</tool_call>",
     "hermes"},
    {"SmolLM2, xLAM",
     "<tool_call>[{\"name\": \"{{ f.name }}\", \"arguments\": {{ f.arguments | tojson "
     "}}}]</tool_call>",
     "none"}};

TEST(WrittenCall, TellsTheDialectOfEachFamily) {
  for (const Family& family : kFamilies)
    EXPECT_EQ(dialect_of(with_calls(family.calls)), family.dialect) << family.name;
}

// Whatever the instructions and comments of a template mention, what it writes decides.
TEST(WrittenCall, WhatTheTemplateWritesOutweighsWhatItSays) {
  const std::string says =
      "Write <tool_call>{\"name\": \"f\", \"parameters\": {}}</tool_call>, [TOOL_CALLS], "
      "<arg_key>, "
      "<function=f><parameter=k>, ```json or <|observation|>. {# "
      "<｜tool▁calls▁begin｜><｜tool▁sep｜> "
      "<|channel|> functions. {\"name\": \"f\", \"parameters\": {}} #}";
  for (const Family& family : kFamilies) {
    const std::string found = dialect_of(with_calls(family.calls, says));
    EXPECT_TRUE(found == family.dialect || found == "none")
        << family.name << " is taken for " << found;
  }
}

TEST(WrittenCall, TheSourceDecidesWhereNoCallIsWritten) {
  const std::string chat =
      "{% for m in messages %}<|{{ m.role }}|>{{ m.content or '' }}{% endfor %}<|assistant|>";
  EXPECT_EQ(dialect_of("{% if tools %}Answer with <tool_call>\n{\"name\": f, \"arguments\": a}\n"
                       "</tool_call>{% endif %}" +
                       chat),
            "hermes");
  EXPECT_EQ(
      dialect_of("{% if tools %}Use <tool_call>\n<function=f>\n<parameter=k>{% endif %}" + chat),
      "qwen3_coder");
  EXPECT_EQ(dialect_of("{% if tools %}Use <function=f>{\"k\": 1}</function>{% endif %}" + chat),
            "none");
  EXPECT_EQ(dialect_of("{% if tools %}Use <|tool_call|> and a list{% endif %}" + chat), "none");
  EXPECT_EQ(dialect_of(chat), "none");
  EXPECT_EQ(dialect_of("{{ raise_exception('no chats') }}<tool_call>"), "hermes");
}

TEST(WrittenCall, EitherFormOfArgumentsAndContentWillDo) {
  EXPECT_EQ(dialect_of(with_calls("[TOOL_CALLS]{{ f.name }}[ARGS]{{ f.arguments }}")), "mistral");
  EXPECT_EQ(
      dialect_of(
          "{% for m in messages %}<|{{ m.role }}|>{% if m.content is none %}<tool_call>{\"name\": "
          "\"{{ m.tool_calls[0].function.name }}\", \"arguments\": "
          "{{ m.tool_calls[0].function.arguments | tojson }}}</tool_call>{% else %}{{ m.content }}"
          "{% endif %}{% endfor %}<|assistant|><think>"),
      "hermes");
}

}  // namespace
}  // namespace ember
