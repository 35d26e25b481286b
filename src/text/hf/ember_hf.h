// SPDX-License-Identifier: Apache-2.0
/* Hugging Face tokenizers, chat templates and grammars from Rust. Every function may be called from
 * any thread. Functions that return char* return NULL on success, otherwise a message for
 * ember_hf_free_text. No panic leaves the library. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct EmberTokenizer EmberTokenizer;
typedef struct EmberTemplate EmberTemplate;

/* Bytes with a length; may hold zero bytes. Owned by the caller: ember_hf_free_bytes. */
typedef struct {
  uint8_t* data;
  size_t size;
} EmberBytes;
/* Token ids; ember_hf_free_ids. */
typedef struct {
  uint32_t* data;
  size_t size;
} EmberIds;

void ember_hf_free_text(char* text);
void ember_hf_free_bytes(EmberBytes bytes);
void ember_hf_free_ids(EmberIds ids);

/* The contents of a tokenizer.json. `added` is a JSON list of tokens in the form of its
 * added_tokens, which are added in this order: one that is there already gets their flags. Added
 * tokens whose ids are not below `limit` are left out. */
char* ember_tokenizer_load(const uint8_t* json, size_t size, const uint8_t* added,
                           size_t added_size, uint32_t limit, EmberTokenizer** out);
/* Texts in UTF-8, one after the other, and how many bytes each has. */
typedef struct {
  const uint8_t* data;
  const uint32_t* lengths;
  size_t count;
} EmberTexts;
/* The parts of a byte-level BPE, as TokenizerParts of tokenizer_parts.h has them. */
typedef struct {
  EmberTexts tokens;
  const uint8_t* types;    /* one a token: 1 to 6 */
  const uint8_t* matching; /* one a token, a sum: 1 is added, 2 lstrip, 4 rstrip, 8 single_word,
                              16 normalized */
  const uint32_t* merges;  /* two ids each */
  size_t num_merges;
  EmberTexts splits;
  bool ignore_merges, normalize_nfc;
  const uint32_t *before, *behind; /* ids added around a text */
  size_t num_before, num_behind;
} EmberTokenizerParts;
/* Nothing of `parts` is kept. */
char* ember_tokenizer_build(const EmberTokenizerParts* parts, EmberTokenizer** out);
void ember_tokenizer_free(EmberTokenizer* tokenizer);
/* `text` is UTF-8. parse_special: the text of special tokens becomes their ids, otherwise it is
 * text like any other. behind: it stands behind another text, so that what the tokenizer adds to
 * the beginning of a text only is not added. */
char* ember_tokenizer_encode(const EmberTokenizer* tokenizer, const uint8_t* text, size_t size,
                             bool add_special, bool parse_special, bool behind, EmberIds* out);
char* ember_tokenizer_decode(const EmberTokenizer* tokenizer, const uint32_t* ids, size_t count,
                             bool skip_special, EmberBytes* out);
/* The texts of the added tokens that ember_tokenizer_load has left out: a JSON list. */
EmberBytes ember_tokenizer_left_out(const EmberTokenizer* tokenizer);
/* The largest id plus one. */
uint32_t ember_tokenizer_vocab_size(const EmberTokenizer* tokenizer);
/* The token as it is decoded. False when there is no such token. */
bool ember_tokenizer_id_to_token(const EmberTokenizer* tokenizer, uint32_t id, EmberBytes* out);
bool ember_tokenizer_token_to_id(const EmberTokenizer* tokenizer, const uint8_t* token, size_t size,
                                 uint32_t* id);
/* The ids of the special tokens, ascending. */
EmberIds ember_tokenizer_special_ids(const EmberTokenizer* tokenizer);
/* An added token (special ones included) as it is written in a text; whether white space before or
 * behind it is part of it, and whether it is none beside a letter, mark, digit or connector. */
typedef struct {
  EmberBytes text; /* to be freed */
  bool lstrip, rstrip, single_word;
} EmberAddedToken;
/* False when it is none. */
bool ember_tokenizer_added_token(const EmberTokenizer* tokenizer, uint32_t id,
                                 EmberAddedToken* out);

/* Whether a character is a letter, a mark, a digit or a connector such as the underscore (Unicode's
 * \w). */
bool ember_text_is_word(uint32_t point);
/* Whether it is white space (Unicode's \s). */
bool ember_text_is_white_space(uint32_t point);

/* A Jinja template as Hugging Face's apply_chat_template reads it. */
char* ember_template_compile(const uint8_t* source, size_t size, EmberTemplate** out);
void ember_template_free(EmberTemplate* tmpl);
/* `context` is a JSON object; its keys are the template's variables. Bounded in steps and in the
 * size of the output. */
char* ember_template_render(const EmberTemplate* tmpl, const uint8_t* context, size_t size,
                            EmberBytes* out);

typedef struct EmberVocabulary
    EmberVocabulary; /* the tokens of a model as grammars see them; immutable */
typedef struct EmberGrammar EmberGrammar; /* compiled; immutable */
typedef struct EmberMatcher
    EmberMatcher; /* where one answer stands in its grammar; used by one thread at a time */

/* What each of `count` ids stands for, one after the other; empty for an id that must never be
 * chosen, and 0xFF before the text of a special token. `eos`: the ids that end an answer. */
char* ember_vocabulary_new(const uint8_t* tokens, const uint32_t* lengths, size_t count,
                           const uint32_t* eos, size_t num_eos, EmberVocabulary** out);
void ember_vocabulary_free(EmberVocabulary* vocabulary);

/* kind 0: `text` is a JSON schema, 1: a regular expression for the whole answer, 2: a Lark grammar.
 * before: Lark rules whose @answer stands for it; of no bytes: it stands alone. schemas: a JSON
 * list of schemas, which the rules of `text` call @schema_0, @schema_1 and so on; of no bytes:
 * none. */
typedef struct EmberGrammarSource {
  int32_t kind;
  const uint8_t* text;
  size_t size;
  const uint8_t* before;
  size_t before_size;
  const uint8_t* schemas;
  size_t schemas_size;
} EmberGrammarSource;

/* Which schema cannot be honoured (0 for `text`), and where in it: ".properties.a.not". schema is
 * -1 when nothing more is known than the error says. */
typedef struct EmberGrammarFault {
  int32_t schema;
  EmberBytes path; /* to be freed, whatever came of it */
} EmberGrammarFault;

/* Fails if the source is wrong, too complex or allows nothing. Needs some tens of megabytes of
 * stack; may take seconds for a source made to take long. */
char* ember_grammar_compile(const EmberVocabulary* vocabulary, const EmberGrammarSource* source,
                            EmberGrammarFault* fault, EmberGrammar** out);
void ember_grammar_free(EmberGrammar* grammar);

char* ember_matcher_new(const EmberGrammar* grammar, EmberMatcher** out);
void ember_matcher_free(EmberMatcher* matcher);
/* The next token, one that the mask allows. */
char* ember_matcher_accept(EmberMatcher* matcher, uint32_t token);
/* Bit id % 32 of words[id / 32] is set when the token may come next. All are clear when the answer
 * is done. */
char* ember_matcher_mask(EmberMatcher* matcher, uint32_t* words, size_t count);
bool ember_matcher_done(const EmberMatcher* matcher);

#ifdef __cplusplus
}
#endif
