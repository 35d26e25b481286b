// SPDX-License-Identifier: Apache-2.0
// Which tensors a decoder is made of.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "ember/model/checkpoint.h"
#include "ember/model/decoder_weights.h"
#include "ember/model/shard.h"
#include "tensor_names.h"

namespace ember {

// One tensor of a checkpoint.
struct TensorSpec {
  Role role = Role::kEmbedding;
  std::string name;            // as the checkpoint spells it
  std::vector<int64_t> shape;  // [rows, columns] of a matrix; [n] of a vector or bias
  bool bias = false;
  float offset = 0;     // is added to every number
  int paired_rows = 0;  // rows of a head, where DecoderConfig::paired_qk_rows applies; 0: in order
  // What the rank has: rows of the model's order, of a matrix with these columns. Empty: all.
  std::vector<Range> rows;
  Range columns;
};

// A matrix that is stored as one or several tensors, stacked in this order.
struct MatrixSpec {
  std::vector<TensorSpec> weights;
  std::vector<TensorSpec> biases;  // one for each weight, or none
  Partition partition;             // over the ranks
  bool gated = false;              // the first half of the rows are gates
};

// visit_weights() calls it with every weight. A slot is the variable that the weight is loaded
// into.
class WeightVisitor {
 public:
  virtual ~WeightVisitor() = default;
  virtual void matrix(const MatrixSpec& spec, Linear& slot) = 0;
  virtual void vector(const TensorSpec& spec, Tensor& slot) = 0;
  // `spec` is the same matrix as `other`, which was visited before. A checkpoint may store it a
  // second time.
  virtual void tied(const TensorSpec& /*spec*/, const TensorSpec& /*other*/) {}
};

// Visits every weight of a rank's decoder once, and makes room for its layers. The one list of a
// decoder's tensors: loading, planning and checking are visitors.
void visit_weights(const Shard& shard, DecoderWeights& weights, WeightVisitor& visitor);

// All tensors that a checkpoint must have.
std::vector<TensorSpec> required_tensors(const DecoderConfig& config);

// As what a checkpoint stores those of the decoder's matrices that it has, by their names. One of
// another shape or type is left out: Checkpoint::tensor refuses it where it is loaded.
std::map<std::string, WeightFormat, std::less<>> stored_formats(const Checkpoint& checkpoint,
                                                                const DecoderConfig& config);

}  // namespace ember
