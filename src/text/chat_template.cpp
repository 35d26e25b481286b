// SPDX-License-Identifier: Apache-2.0
#include "ember/text/chat_template.h"

#include <fmt/format.h>

#include <algorithm>

#include "ember/base/files.h"
#include "ember/base/json_file.h"
#include "hf_handle.h"
#include "special_marks.h"
#include "template_traits.h"
#include "written_call.h"

namespace ember {

namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMaxTemplateBytes = 1 << 20, kMaxConfigBytes = 16 << 20;

EmberTemplate* as_template(void* handle) { return static_cast<EmberTemplate*>(handle); }

struct Source {
  std::string file, chat, tool;
};

// A template given as text, or as a list of named ones: "default" and perhaps "tool_use".
Result<void> read_entry(const nlohmann::json& entry, Source& source) {
  if (entry.is_string()) source.chat = entry.get<std::string>();
  if (!entry.is_array()) return {};
  for (const nlohmann::json& item : entry) {
    if (!item.is_object() || !item.contains("name") || !item.contains("template") ||
        !item["template"].is_string())
      continue;
    if (item["name"] == "default") source.chat = item["template"].get<std::string>();
    if (item["name"] == "tool_use") source.tool = item["template"].get<std::string>();
  }
  if (source.chat.empty() && !entry.empty())
    return invalid(
        "", fmt::format("{}: chat_template lists no template named \"default\"", source.file));
  return {};
}

// The templates of a model that has several, each in a file by its name.
Result<void> read_named_files(const std::filesystem::path& dir, Source& source) {
  for (const auto& [name, text] :
       {std::pair("default", &source.chat), {"tool_use", &source.tool}}) {
    const std::filesystem::path file =
        dir / "additional_chat_templates" / (std::string(name) + ".jinja");
    if (!path_exists(file)) continue;
    if (source.file.empty() || text == &source.chat) source.file = file.string();
    Result<std::string> read = read_text_file(file, kMaxTemplateBytes);
    if (!read.ok()) return read.error();
    *text = std::move(read).value();
  }
  return {};
}

Result<Source> find_source(const std::filesystem::path& dir,
                           const std::filesystem::path& override_file) {
  Source source;
  const std::filesystem::path jinja =
      override_file.empty() ? dir / "chat_template.jinja" : override_file;
  if (!override_file.empty() || path_exists(jinja)) {
    source.file = jinja.string();
    Result<std::string> text = read_text_file(jinja, kMaxTemplateBytes);
    if (!text.ok()) return text.error();
    source.chat = std::move(text).value();
    if (!override_file.empty()) return source;
  }
  if (const Result<void> read = read_named_files(dir, source); !read.ok()) return read.error();
  if (!source.chat.empty()) return source;
  for (const char* name : {"chat_template.json", "tokenizer_config.json"}) {
    source.file = (dir / name).string();
    if (!path_exists(source.file)) continue;
    const Result<nlohmann::json> json = read_json_file(source.file, kMaxConfigBytes);
    if (!json.ok()) return json.error();
    if (!json.value().is_object() || !json.value().contains("chat_template")) continue;
    Source entry{.file = source.file, .chat = {}, .tool = {}};
    if (const Result<void> read = read_entry(json.value()["chat_template"], entry); !read.ok())
      return read.error();
    source.chat = std::move(entry.chat);
    if (source.tool.empty()) source.tool = std::move(entry.tool);
    if (source.chat.size() > kMaxTemplateBytes)
      return invalid("", fmt::format("{}: chat_template of {} bytes, at most {} are read",
                                     source.file, source.chat.size(), kMaxTemplateBytes));
    break;
  }
  return source;
}

Result<EmberTemplate*> compile_one(const std::string& source) {
  EmberTemplate* compiled = nullptr;
  const std::string error =
      hf::take(ember_template_compile(hf::data(source), source.size(), &compiled));
  if (!error.empty()) return invalid("chat_template", error);
  return compiled;
}

std::string trimmed(const std::string& text) {
  const size_t first = text.find_first_not_of(" \t\r\n\v\f");
  if (first == std::string::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n\v\f") - first + 1);
}

// Where transformers puts its tag to continue a message: after the content, or after the last text
// of its parts. Null: there is none.
Json* final_text(Json& message) {
  const auto content = message.find("content");
  if (content == message.end()) return nullptr;
  if (content->is_string()) return &*content;
  if (content->is_array())
    for (auto part = content->rbegin(); part != content->rend(); ++part)
      if (part->is_object() && part->contains("text") && (*part)["text"].is_string())
        return &(*part)["text"];
  return nullptr;
}

constexpr std::string_view kContinueTag = "CONTINUE_FINAL_MESSAGE_TAG ";

// Cuts what the template wrote after the tag. Where it has trimmed the message, the white space at
// its end goes too.
Result<void> cut_after_tag(std::string& rendered, const std::string& message) {
  const size_t at = rendered.rfind(kContinueTag.substr(0, kContinueTag.size() - 1));
  if (at == std::string::npos || rendered.find(trimmed(message)) == std::string::npos)
    return invalid(
        "continue_final_message",
        "continue_final_message: the last message does not appear in the rendered prompt");
  const bool kept = rendered.compare(at, kContinueTag.size(), kContinueTag) == 0;
  rendered.resize(at);
  if (!kept) rendered.resize(rendered.find_last_not_of(" \t\r\n\v\f") + 1);
  return {};
}

}  // namespace

void ChatTemplate::Deleter::operator()(void* handle) const {
  ember_template_free(as_template(handle));
}
ChatTemplate::ChatTemplate(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}
ChatTemplate::~ChatTemplate() = default;

Result<std::unique_ptr<ChatTemplate>> ChatTemplate::load(
    const std::filesystem::path& model_dir, const Tokenizer& tokenizer,
    const std::filesystem::path& override_file) {
  const Result<Source> source = find_source(model_dir, override_file);
  if (!source.ok()) return source.error();
  if (source.value().chat.empty())
    return tokenizer.chat_template().empty() ? std::unique_ptr<ChatTemplate>()
                                             : compile(tokenizer.chat_template(), {}, tokenizer);
  Result<std::unique_ptr<ChatTemplate>> compiled =
      compile(source.value().chat, source.value().tool, tokenizer);
  if (!compiled.ok())
    return invalid(
        "", fmt::format("{}: chat_template: {}", source.value().file, compiled.error().message));
  return compiled;
}

Result<std::unique_ptr<ChatTemplate>> ChatTemplate::compile(const std::string& source,
                                                            const std::string& tool_source,
                                                            const Tokenizer& tokenizer) {
  std::unique_ptr<ChatTemplate> made(new ChatTemplate(tokenizer));
  const Result<EmberTemplate*> chat = compile_one(source);
  if (!chat.ok()) return chat.error();
  made->handle_.reset(chat.value());
  if (!tool_source.empty()) {
    const Result<EmberTemplate*> tool = compile_one(tool_source);
    if (!tool.ok()) return tool.error();
    made->tool_handle_.reset(tool.value());
  }
  made->detect_features(source, tool_source);
  return made;
}

void ChatTemplate::detect_features(const std::string& source, const std::string& tool_source) {
  const std::string& with_tools = tool_source.empty() ? source : tool_source;
  knows_tools_ = !tool_source.empty() || source.find("tools") != std::string::npos;
  knows_documents_ = source.find("documents") != std::string::npos ||
                     tool_source.find("documents") != std::string::npos;
  reasoning_style_ = detect_reasoning_style(source);
  sources_ = source + tool_source;
  const RenderTry render = [this](const Json& messages, const Json& tools) {
    ChatInput input;
    input.messages = messages;
    input.tools = tools;
    return render_text(input);
  };
  TemplateTraits traits = probe_template(render);
  // Many print any role: only one that compares with the name knows it.
  traits.developer_role = mentions("'developer'") || mentions("\"developer\"");
  traits_ = std::make_unique<const TemplateTraits>(traits);
  tool_dialect_ = detect_tool_dialect(with_tools, written_calls(render));
}

bool ChatTemplate::mentions(std::string_view text) const {
  return sources_.find(text) != std::string::npos;
}

Result<std::string> ChatTemplate::render_text(const ChatInput& input) const {
  Json context = Json::object();
  for (const auto& [name, token] : tokenizer_.named_tokens()) context[name] = token;
  context.update(input.kwargs);
  context["messages"] = input.messages;
  context["tools"] = input.tools;
  context["documents"] = input.documents;
  context["add_generation_prompt"] = input.add_generation_prompt && !input.continue_final_message;
  const std::string json = context.dump(-1, ' ', false, Json::error_handler_t::replace);
  const bool use_tools = tool_handle_ != nullptr && !input.tools.is_null();
  EmberBytes bytes{};
  const std::string error =
      hf::take(ember_template_render(as_template((use_tools ? tool_handle_ : handle_).get()),
                                     hf::data(json), json.size(), &bytes));
  if (!error.empty())
    return invalid("messages", "the chat template refuses the messages: " + error);
  return hf::take(bytes);
}

Result<ChatPrompt> ChatTemplate::render(const ChatInput& input) const {
  if (!input.tools.empty() && !knows_tools_)
    return invalid("tools", "tools are not known to the model's chat template.",
                   "unsupported_parameter");
  if (!input.documents.empty() && !knows_documents_)
    return invalid("documents", "documents are not known to the model's chat template.",
                   "unsupported_parameter");
  const SpecialMarks marks(tokenizer_.special_tokens(),
                           Json::array({input.messages, input.tools, input.documents}));
  ChatInput marked = input;
  marked.messages = marks.mark(adapt_messages(input.messages, *traits_));
  marked.tools = marks.mark(input.tools);
  marked.documents = marks.mark(input.documents);
  std::string final_message;
  if (input.continue_final_message) {
    Json* text = marked.messages.empty() ? nullptr : final_text(marked.messages.back());
    if (text == nullptr)
      return invalid("continue_final_message",
                     "continue_final_message: the last message has no content");
    final_message = text->get<std::string>();
    *text = final_message + std::string(kContinueTag);
  }
  Result<std::string> rendered = render_text(marked);
  if (!rendered.ok()) return rendered.error();
  if (input.continue_final_message)
    if (const Result<void> cut = cut_after_tag(rendered.value(), final_message); !cut.ok())
      return cut.error();
  ChatPrompt prompt;
  for (const SpecialMarks::Piece& piece : marks.split(rendered.value())) {
    const Result<std::vector<int32_t>> ids =
        tokenizer_.encode(piece.text, {.add_special_tokens = false,
                                       .parse_special = !piece.plain,
                                       .behind = !prompt.text.empty()});
    if (!ids.ok()) return ids.error();
    prompt.ids.insert(prompt.ids.end(), ids.value().begin(), ids.value().end());
    prompt.text += piece.text;
  }
  return prompt;
}

}  // namespace ember
