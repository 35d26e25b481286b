// SPDX-License-Identifier: Apache-2.0
#include "ember/base/integers.h"
#include "kernels/sample.h"
#include "kernels/sample_row.cuh"

namespace ember::kernels {

namespace {

using Cluster = Team<8, 256>;  // a row's slices lie in the shared memory of eight CTAs
using Single = Team<1, 512>;   // where there are no clusters

constexpr int kLargestSlice = 48 * 1024;  // floats of shared memory

// The first words of the workspace; the slices that do not fit into shared memory follow at
// kSlicesAt.
struct Arrivals {
  uint32_t teams;
};
constexpr size_t kSlicesAt = 256;

constexpr int slice_size(int vocab, int ctas) { return round_up(ceil_div(vocab, ctas), 64); }

bool uses_clusters(const StreamRef& stream) { return is_hopper(stream); }

bool in_shared_memory(const StreamRef& stream, int vocab) {
  return uses_clusters(stream) && slice_size(vocab, Cluster::kCtas) <= kLargestSlice;
}

// Called by one warp of each team. The last warp ends the step: no team reads the tokens of the
// step before any more.
EMBER_DEVICE void end_row(const SampleArgs& args, int lane, uint32_t teams) {
  auto& arrivals = *static_cast<Arrivals*>(args.workspace);
  __threadfence_system();  // each lane's stores before the arrival of its team
  __syncwarp();
  const bool last = lane == 0 && atomicAdd(&arrivals.teams, 1u) == teams - 1;
  if (!__any_sync(~0u, last)) return;
  __syncwarp();  // a vote orders nothing: each lane's fence comes after the arrival
  __threadfence();
  for (int row = lane; row < args.first_row + args.rows; row += 32)
    args.previous[row] = __ldcg(args.tokens + row);
  if (!last) return;
  arrivals.teams = 0;
  __threadfence_system();
  *static_cast<volatile uint32_t*>(args.sequence) = args.sequence_value;
}

template <class Team>
__global__ void __launch_bounds__(Team::kThreads, Team::kCtas > 1 ? 3 : 1)
    sample_kernel(const __grid_constant__ SampleArgs args, int size, bool in_shared) {
  EMBER_DYNAMIC_SHARED(dynamic);
  launch_dependents();
  wait_for_dependencies();
  auto& shared = *reinterpret_cast<SampleShared<Team>*>(dynamic);
  Team team{&shared.team};
  const int row = static_cast<int>(blockIdx.x) / Team::kCtas;
  if (row < args.rows) {
    float* values =
        in_shared ? reinterpret_cast<float*>(dynamic + sizeof(SampleShared<Team>))
                  : reinterpret_cast<float*>(static_cast<uint8_t*>(args.workspace) + kSlicesAt) +
                        static_cast<int64_t>(blockIdx.x) * size;
    sample_row(team, shared, args, row, values, size);
  }
  if (team.cta() == 0 && team.warp() == 0 && args.sequence != nullptr)
    end_row(args, team.lane(), gridDim.x / Team::kCtas);
  team.sync();  // no CTA leaves while another may read its shared memory
}

constexpr int kSeenThreads = 256;

// One CTA for each update.
__global__ void __launch_bounds__(kSeenThreads) seen_kernel(const __grid_constant__ SeenArgs args) {
  launch_dependents();
  wait_for_dependencies();
  const SeenUpdate update = args.updates[blockIdx.x];
  const int64_t stride = seen_stride(args.vocab);
  uint32_t* seen = args.seen + update.row * stride;
  const int thread = static_cast<int>(threadIdx.x);
  if (update.clear != 0)
    for (int64_t i = 4 * thread; i < stride; i += 4 * kSeenThreads)
      *reinterpret_cast<uint4*>(seen + i) = make_uint4(0, 0, 0, 0);
  __syncthreads();
  const int32_t* ids = args.ids + update.ids_begin;
  for (int i = thread; i < update.num_prompt; i += kSeenThreads)
    atomicOr(seen + ids[i], kSeenInPrompt);
  for (int i = thread; i < update.num_output; i += kSeenThreads)
    atomicAdd(seen + ids[update.num_prompt + i], 1u);
}

template <class Team>
void launch_team(const StreamRef& stream, const SampleArgs& args) {
  const bool in_shared = in_shared_memory(stream, args.vocab);
  const int size = slice_size(args.vocab, Team::kCtas);
  const size_t shared_bytes =
      sizeof(SampleShared<Team>) + (in_shared ? static_cast<size_t>(size) * sizeof(float) : 0);
  const int rows = args.rows > 0 ? args.rows : 1;
  launch(stream,
         {.grid = dim3(rows * Team::kCtas),
          .threads = Team::kThreads,
          .shared_bytes = shared_bytes,
          .cluster = Team::kCtas},
         sample_kernel<Team>, args, size, in_shared);
}

}  // namespace

size_t sample_workspace_bytes(const StreamRef& stream, int max_rows, int vocab) {
  if (in_shared_memory(stream, vocab)) return kSlicesAt;
  const int ctas = uses_clusters(stream) ? Cluster::kCtas : Single::kCtas;
  return kSlicesAt + static_cast<size_t>(max_rows) * static_cast<size_t>(ctas) *
                         static_cast<size_t>(slice_size(vocab, ctas)) * sizeof(float);
}

void update_seen(const StreamRef& stream, const SeenArgs& args) {
  launch(stream, {.grid = dim3(args.count), .threads = kSeenThreads}, seen_kernel, args);
}

void sample(const StreamRef& stream, const SampleArgs& args) {
  if (uses_clusters(stream))
    launch_team<Cluster>(stream, args);
  else
    launch_team<Single>(stream, args);
}

}  // namespace ember::kernels
