// Messages to the prompt a chat model was trained on.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "ember/base/result.h"
#include "ember/text/tokenizer.h"

namespace ember {

struct ChatInput {
  nlohmann::ordered_json messages;  // a list of objects with "role" and "content"
  nlohmann::ordered_json tools;     // null: none
  bool add_generation_prompt = true;
  bool continue_final_message = false;                               // the prompt ends with the last message's text
  nlohmann::ordered_json kwargs = nlohmann::ordered_json::object();  // further variables
};

struct ChatPrompt {
  std::string text;
  std::vector<int32_t> ids;
};

// Immutable: every function may be called from any thread.
class ChatTemplate {
 public:
  // The model's own template (chat_template.jinja, chat_template.json or tokenizer_config.json, in this order), or the
  // file `override_file` where it is not empty. Null when the model has none. The error names file and line.
  static Result<std::unique_ptr<ChatTemplate>> load(const std::filesystem::path& model_dir, const Tokenizer& tokenizer,
                                                    const std::filesystem::path& override_file);
  // From source; `tokenizer` must outlive the result. tool_source: used when there are tools; empty: the same.
  static Result<std::unique_ptr<ChatTemplate>> compile(const std::string& source, const std::string& tool_source,
                                                       const Tokenizer& tokenizer);
  ~ChatTemplate();

  // Equal to Hugging Face's apply_chat_template, except that the text of a special token inside messages or tools stays
  // plain text when it is tokenized. kInvalid ("messages"): the template refuses them, or needs too many steps.
  Result<ChatPrompt> render(const ChatInput& input) const;

 private:
  explicit ChatTemplate(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}
  Result<std::string> render_text(const nlohmann::ordered_json& messages, const nlohmann::ordered_json& tools,
                                  const ChatInput& input) const;

  struct Deleter {
    void operator()(void* handle) const;
  };
  const Tokenizer& tokenizer_;
  std::unique_ptr<void, Deleter> handle_, tool_handle_;
};

}  // namespace ember
