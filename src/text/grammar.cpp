// SPDX-License-Identifier: Apache-2.0
#include "ember/text/grammar.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "bounded_thread.h"
#include "ember/base/log.h"
#include "ember/text/utf8.h"
#include "hf_handle.h"

namespace ember {

namespace {

constexpr size_t kMaxMessageBytes = 500;

const EmberVocabulary* as_vocabulary(const std::shared_ptr<void>& handle) {
  return static_cast<const EmberVocabulary*>(handle.get());
}

class GrammarConstraint final : public TokenConstraint {
 public:
  explicit GrammarConstraint(const EmberGrammar* grammar) {
    EmberMatcher* matcher = nullptr;
    check(ember_matcher_new(grammar, &matcher));
    matcher_.reset(matcher);
  }

  State state() const override {
    if (failed_) return State::kFailed;
    return ember_matcher_done(matcher_.get()) ? State::kDone : State::kOpen;
  }

 private:
  struct Deleter {
    void operator()(EmberMatcher* matcher) const { ember_matcher_free(matcher); }
  };

  void accept(int32_t token) override {
    check(ember_matcher_accept(matcher_.get(), static_cast<uint32_t>(token)));
  }
  void fill_mask(std::span<uint32_t> words) override {
    check(ember_matcher_mask(matcher_.get(), words.data(), words.size()));
  }

  void check(char* result) {
    const std::string error = hf::take(result);
    if (error.empty()) return;
    failed_ = true;
    spdlog::warn("a constrained answer cannot go on: {}", error);
  }

  std::unique_ptr<EmberMatcher, Deleter> matcher_;
  bool failed_ = false;
};

// One line, as much of it as helps.
std::string tidy(std::string error) {
  for (char& c : error)
    if (c == '\n' || c == '\r' || c == '\t') c = ' ';
  if (error.size() > kMaxMessageBytes) error = error.substr(0, kMaxMessageBytes) + " ...";
  return to_valid_utf8(error);
}

}  // namespace

void Grammar::Deleter::operator()(void* handle) const {
  ember_grammar_free(static_cast<EmberGrammar*>(handle));
}

std::unique_ptr<TokenConstraint> Grammar::start() const {
  return std::make_unique<GrammarConstraint>(static_cast<const EmberGrammar*>(handle_.get()));
}

// The number of running compilations, including those whose caller has stopped waiting.
struct GrammarCompiler::Turns {
  Mutex mu;
  CondVar changed;
  int running GUARDED_BY(mu) = 0;
};

// Shared by who asks and the thread that compiles.
struct GrammarCompiler::Job {
  std::shared_ptr<void> vocabulary;
  std::shared_ptr<Turns> turns;
  GrammarSource source;
  std::shared_ptr<const Grammar> grammar;
  std::string error;
  // Of the schema at fault; -1: none is. And where in it.
  int32_t faulty_schema = -1;
  std::string path;

  void run() {
    const std::string schemas = source.schemas.empty()
                                    ? std::string()
                                    : fmt::format("[{}]", fmt::join(source.schemas, ","));
    const EmberGrammarSource parts{.kind = static_cast<int32_t>(source.kind),
                                   .text = hf::data(source.text),
                                   .size = source.text.size(),
                                   .before = hf::data(source.before),
                                   .before_size = source.before.size(),
                                   .schemas = hf::data(schemas),
                                   .schemas_size = schemas.size()};
    EmberGrammar* compiled = nullptr;
    EmberGrammarFault fault{};
    error = hf::take(ember_grammar_compile(as_vocabulary(vocabulary), &parts, &fault, &compiled));
    faulty_schema = fault.schema;
    path = hf::take(fault.path);
    if (compiled != nullptr) grammar = std::make_shared<const Grammar>(compiled);
    end_turn();
  }
  // What is said about the request whose `field` it is.
  std::string message(const std::string& field) const {
    const std::vector<SchemaPlaces::Place>& places = source.places.list;
    if (faulty_schema < 0 || static_cast<size_t>(faulty_schema) >= places.size())
      return fmt::format("{} cannot be honoured: {}.", field, tidy(error));
    const SchemaPlaces::Place& place = places[static_cast<size_t>(faulty_schema)];
    const std::string whose = place.tool.empty() ? "" : fmt::format(" (tool {})", place.tool);
    return fmt::format("{}: {}{}.", tidy(place.field + path), tidy(error), whose);
  }
  void end_turn() const {
    MutexLock lock(turns->mu);
    --turns->running;
    turns->changed.notify_one();
  }
};

GrammarCompiler::GrammarCompiler(std::shared_ptr<void> vocabulary,
                                 const GrammarCompilerLimits& limits)
    : vocabulary_(std::move(vocabulary)), limits_(limits), turns_(std::make_shared<Turns>()) {}

Result<std::unique_ptr<GrammarCompiler>> GrammarCompiler::create(
    const Tokenizer& tokenizer, const std::vector<int32_t>& eos_ids,
    const GrammarCompilerLimits& limits) {
  constexpr char kSpecial = '\xFF';
  std::string tokens;
  std::vector<uint32_t> lengths, eos;
  for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    const std::string& bytes = tokenizer.token_bytes(id);
    const size_t before = tokens.size();
    if (tokenizer.is_special(id)) tokens += kSpecial;
    tokens += bytes;
    lengths.push_back(static_cast<uint32_t>(tokens.size() - before));
  }
  for (const int32_t id : eos_ids)
    if (id >= 0 && id < tokenizer.vocab_size()) eos.push_back(static_cast<uint32_t>(id));
  EmberVocabulary* made = nullptr;
  const std::string error = hf::take(ember_vocabulary_new(
      hf::data(tokens), lengths.data(), lengths.size(), eos.data(), eos.size(), &made));
  if (!error.empty())
    return Error{ErrorKind::kInternal, "grammars cannot use this tokenizer: " + error, "",
                 "tokenizer_error"};
  std::shared_ptr<void> vocabulary(
      made, [](void* handle) { ember_vocabulary_free(static_cast<EmberVocabulary*>(handle)); });
  return std::unique_ptr<GrammarCompiler>(new GrammarCompiler(std::move(vocabulary), limits));
}

Result<std::shared_ptr<const Grammar>> GrammarCompiler::compile(const GrammarSource& source,
                                                                const std::string& field) {
  if (std::shared_ptr<const Grammar> cached = find(source)) return cached;
  const TimePoint until = Clock::now() + limits_.max_wait;
  const Error busy{ErrorKind::kBusy, fmt::format("{}: too many formats are being compiled.", field),
                   field, "grammar_busy"};
  if (!take_turn(until)) return busy;
  const auto job = std::make_shared<Job>();
  job->vocabulary = vocabulary_;
  job->turns = turns_;
  job->source = source;
  const BoundedResult result = run_bounded([job] { job->run(); }, limits_.cpu_time, until);
  if (result == BoundedResult::kNotStarted) {
    job->end_turn();
    return busy;
  }
  if (result == BoundedResult::kTooLong)
    return invalid(field, fmt::format("{} takes too long to compile: make it simpler.", field),
                   "grammar_too_complex");
  if (job->grammar == nullptr) return invalid(field, job->message(field), "invalid_value");
  keep(source, job->grammar);
  return job->grammar;
}

bool GrammarCompiler::take_turn(TimePoint until) {
  MutexLock lock(turns_->mu);
  while (turns_->running >= limits_.max_running) {
    const TimePoint now = Clock::now();
    if (now >= until) return false;
    turns_->changed.wait_for(turns_->mu, until - now);
  }
  ++turns_->running;
  return true;
}

std::shared_ptr<const Grammar> GrammarCompiler::find(const GrammarSource& source) {
  MutexLock lock(mu_);
  const auto found = index_.find(source);
  if (found == index_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return entries_.front().grammar;
}

void GrammarCompiler::keep(const GrammarSource& source, std::shared_ptr<const Grammar> grammar) {
  std::shared_ptr<const Grammar> dropped;  // freed outside the lock
  MutexLock lock(mu_);
  if (index_.contains(source) || limits_.max_cached == 0) return;
  if (entries_.size() >= limits_.max_cached) {
    dropped = std::move(entries_.back().grammar);
    index_.erase(entries_.back().source);
    entries_.pop_back();
  }
  entries_.push_front({source, std::move(grammar)});
  index_[source] = entries_.begin();
}

size_t GrammarCompiler::num_cached() const {
  MutexLock lock(mu_);
  return entries_.size();
}

}  // namespace ember
