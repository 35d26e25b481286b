// SPDX-License-Identifier: Apache-2.0
// Messages to the prompt a chat model was trained on.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "ember/base/result.h"
#include "ember/text/reasoning_parser.h"
#include "ember/text/tokenizer.h"
#include "ember/text/tool_dialect.h"

namespace ember {

struct TemplateTraits;

struct ChatInput {
  nlohmann::ordered_json messages;   // as OpenAI's: objects with "role" and "content", a call's
                                     // arguments as an object or its text
  nlohmann::ordered_json tools;      // null: none
  nlohmann::ordered_json documents;  // null: none
  bool add_generation_prompt = true;
  bool continue_final_message = false;  // the prompt ends with the last message's text
  nlohmann::ordered_json kwargs = nlohmann::ordered_json::object();  // further variables
};

struct ChatPrompt {
  std::string text;
  std::vector<int32_t> ids;
};

// Immutable: every function may be called from any thread.
class ChatTemplate {
 public:
  // The model's own template (chat_template.jinja, chat_template.json or tokenizer_config.json, in
  // this order), or the file `override_file` where it is not empty; else the tokenizer's
  // chat_template(). Null when there is none.
  // The templates "default" and "tool_use" may be files of additional_chat_templates too.
  // The error names file and line.
  static Result<std::unique_ptr<ChatTemplate>> load(const std::filesystem::path& model_dir,
                                                    const Tokenizer& tokenizer,
                                                    const std::filesystem::path& override_file);
  // From source; `tokenizer` must outlive the result. tool_source: used when there are tools;
  // empty: the same.
  static Result<std::unique_ptr<ChatTemplate>> compile(const std::string& source,
                                                       const std::string& tool_source,
                                                       const Tokenizer& tokenizer);
  ~ChatTemplate();

  // Equal to Hugging Face's apply_chat_template, except that the text of a special token inside
  // messages or tools stays plain text when it is tokenized. kInvalid ("messages"): the template
  // refuses them, or needs too many steps. Contents and arguments are given to the template in the
  // form that it reads. Tools and documents it does not know are refused.
  Result<ChatPrompt> render(const ChatInput& input) const;

  // What it teaches; null: nothing that is known.
  const ToolDialect* tool_dialect() const { return tool_dialect_; }
  const std::optional<ReasoningStyle>& reasoning_style() const { return reasoning_style_; }
  // Whether its source holds this, e.g. the name of a variable that it reads.
  bool mentions(std::string_view text) const;

 private:
  explicit ChatTemplate(const Tokenizer& tokenizer);
  // The input as it is; what `messages` refuses is kInvalid.
  Result<std::string> render_text(const ChatInput& input) const;
  // Sets what the template reads and teaches.
  void detect_features(const std::string& source, const std::string& tool_source);

  struct Deleter {
    void operator()(void* handle) const;
  };
  const Tokenizer& tokenizer_;
  std::unique_ptr<void, Deleter> handle_, tool_handle_;
  std::unique_ptr<const TemplateTraits> traits_;
  std::string sources_;  // of both
  bool knows_tools_ = false, knows_documents_ = false;
  const ToolDialect* tool_dialect_ = nullptr;
  std::optional<ReasoningStyle> reasoning_style_;
};

}  // namespace ember
