// SPDX-License-Identifier: Apache-2.0
// Grammars: what an answer may look like, and so which token may come next.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ember/base/clock.h"
#include "ember/base/mutex.h"
#include "ember/base/result.h"
#include "ember/base/token_constraint.h"
#include "ember/text/tokenizer.h"

namespace ember {

enum class GrammarKind : uint8_t {
  kJsonSchema,  // a JSON text by this schema, with at most 40 bytes of white space between its
                // parts
  kRegex,       // the whole answer matches (Rust's syntax: no look-around, no back references)
  kLark,        // llguidance's variant of Lark
};

// Where the schemas of a source stand in a request. Only errors say so: two sources that differ in
// nothing else are the same grammar.
struct SchemaPlaces {
  struct Place {
    std::string field;      // response_format.json_schema.schema
    std::string tool = {};  // the function whose parameters they are
  };
  std::vector<Place> list;

  std::strong_ordering operator<=>(const SchemaPlaces&) const {
    return std::strong_ordering::equal;
  }
  bool operator==(const SchemaPlaces&) const { return true; }
};

struct GrammarSource {
  GrammarKind kind = GrammarKind::kJsonSchema;
  std::string text;
  // Lark rules around `text`, which they refer to as @answer. Empty: `text` is the whole answer.
  std::string before = {};
  // JSON schemas, which the rules of `text` refer to as @schema_0, @schema_1 and so on.
  std::vector<std::string> schemas = {};
  // Of each of `schemas`, or of `text` if that is a schema.
  SchemaPlaces places = {};

  auto operator<=>(const GrammarSource&) const = default;
};

// Compiled and immutable: every function may be called from any thread.
class Grammar final : public ConstraintSource {
 public:
  explicit Grammar(void* handle) : handle_(handle) {}  // an EmberGrammar, which it takes over

  // When the answer is complete only the tokens that end it are allowed.
  std::unique_ptr<TokenConstraint> start() const override;

 private:
  struct Deleter {
    void operator()(void* handle) const;
  };
  std::unique_ptr<void, Deleter> handle_;
};

struct GrammarCompilerLimits {
  size_t max_cached = 64;                              // grammars kept
  Duration cpu_time = std::chrono::milliseconds(400);  // of one compilation
  int max_running = 4;                          // compilations at once, those given up included
  Duration max_wait = std::chrono::seconds(5);  // for a turn and the result together
};

// Every function may be called from any thread.
class GrammarCompiler {
 public:
  // `eos_ids`: the tokens that end an answer; those outside the tokenizer's vocabulary are left
  // out.
  static Result<std::unique_ptr<GrammarCompiler>> create(const Tokenizer& tokenizer,
                                                         const std::vector<int32_t>& eos_ids,
                                                         const GrammarCompilerLimits& limits = {});

  // From the cache, or compiled on a thread of its own while the caller waits. The error's param is
  // `field`; its message begins with that, or with the place of the schema at fault and the path
  // inside it: "response_format.json_schema.schema.properties.a.not: ...". kInvalid: the source is
  // wrong, allows nothing, or is too complex; a compilation that has used up its time is given up
  // (the thread ends when it can). kBusy: too many of those.
  Result<std::shared_ptr<const Grammar>> compile(const GrammarSource& source,
                                                 const std::string& field);

  size_t num_cached() const EXCLUDES(mu_);

 private:
  struct Entry {
    GrammarSource source;
    std::shared_ptr<const Grammar> grammar;
  };
  struct Job;

  GrammarCompiler(std::shared_ptr<void> vocabulary, const GrammarCompilerLimits& limits);
  std::shared_ptr<const Grammar> find(const GrammarSource& source) EXCLUDES(mu_);
  void keep(const GrammarSource& source, std::shared_ptr<const Grammar> grammar) EXCLUDES(mu_);
  bool take_turn(TimePoint until);

  const std::shared_ptr<void> vocabulary_;  // an EmberVocabulary
  const GrammarCompilerLimits limits_;
  struct Turns;
  const std::shared_ptr<Turns> turns_;  // outlives the compiler if a compilation does

  mutable Mutex mu_;
  std::list<Entry> entries_ GUARDED_BY(mu_);  // the one used last comes first
  std::map<GrammarSource, std::list<Entry>::iterator> index_ GUARDED_BY(mu_);
};

}  // namespace ember
