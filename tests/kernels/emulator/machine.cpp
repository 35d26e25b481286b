// SPDX-License-Identifier: Apache-2.0
#include "machine.h"

#include <algorithm>
#include <cstring>
#include <mutex>

namespace emu {

char* shared_memory = nullptr;
Thread* current = nullptr;
thread_local bool in_kernel = false;
Launch launch;

namespace {

constexpr unsigned char kPoison = 0xEE;  // shared memory that nobody has written
constexpr size_t kCanary = 4096;         // bytes behind it that nobody may write

struct Failed {};  // thrown where there is no fiber to leave

std::mutex g_running;                 // one kernel at a time
Options g_options{.ordered = false};  // nobody has asked: it takes time
std::mt19937_64 g_random(1);
std::vector<std::unique_ptr<Thread>> g_threads;  // of one cluster
std::vector<Cta> g_ctas;
std::vector<std::function<void()>> g_pending;
Barrier g_cluster_barrier;
uint32_t g_agents = 0;  // that have a number in this cluster
const void* g_stream = nullptr;
uint64_t g_progress = 0;
std::string g_error;
const std::function<void()>* g_body = nullptr;

void check_mbarrier(Mbarrier& m) {
  if (m.pending != 0 || m.bytes != 0) return;
  m.knowledge.brought.add(completion_of(m));
  pass(m.knowledge, m.generation++);
  m.pending = m.count;
  progress();
}

// Barriers that wait for everybody who is still there: arrivals are counted again when a thread
// ends.
void check_full(Cta& cta, Barrier& b) {
  const uint32_t wanted = std::min(b.expected, static_cast<uint32_t>(cta.alive));
  if (b.arrived == 0 || b.arrived < wanted) return;
  b.arrived = 0;
  pass(b.knowledge, b.generation++);
  progress();
}

void check_cluster_barrier() {
  int alive = 0;
  for (const Cta& cta : g_ctas) alive += cta.alive;
  if (g_cluster_barrier.arrived == 0 || static_cast<int>(g_cluster_barrier.arrived) < alive) return;
  g_cluster_barrier.arrived = 0;
  pass(g_cluster_barrier.knowledge, g_cluster_barrier.generation++);
  progress();
}

// The threads of other CTAs that have been here know that this one waits for them.
void end_cta(Cta& cta) {
  const Knowledge ended = cta.ended.take();
  for (const auto& [id, clock] : cta.visits)
    if (!covers(ended.seen, {id, clock}))
      fail("a CTA ends while another one may use its shared memory");
  if (launch.programmatic && !cta.resolved)
    fail("a CTA ends without wait_for_dependencies: the next grid could not rely on those before");
}

void thread_main(void* argument) {
  auto* self = static_cast<Thread*>(argument);
  (*g_body)();
  if (!self->copies.empty() || !self->open_copies.empty())
    fail("a thread ends while its cp.async are in flight");
  self->done = true;
  end_thread(*self);
  if (g_options.ordered) self->cta->ended.add(self->knows, {self->id, self->clock});
  if (--self->cta->alive == 0) end_cta(*self->cta);
  check_full(*self->cta, self->cta->barriers[0]);
  check_cluster_barrier();
  progress();
  for (;;) self->fiber.leave();
}

void run_one_pending() {
  const size_t i = g_random() % g_pending.size();
  const auto work = std::move(g_pending[i]);
  g_pending[i] = std::move(g_pending.back());
  g_pending.pop_back();
  current = nullptr;
  try {
    work();
  } catch (const Failed&) {
  }
  progress();
}

std::string where_everybody_waits() {
  std::string text;
  for (size_t i = 0; i < g_threads.size(); i += 32) {
    for (size_t lane = 0; lane < 32 && i + lane < g_threads.size(); ++lane) {
      const Thread& t = *g_threads[i + lane];
      if (t.done) continue;
      text += " cta" + std::to_string(t.rank) + ".warp" + std::to_string(t.warp()) + "@" + t.where;
      break;
    }
  }
  return text;
}

void prepare(const std::vector<uint3>& blocks) {
  const size_t threads = static_cast<size_t>(launch.threads), ctas = blocks.size();
  const size_t warps = (threads + 31) / 32;
  g_ctas.assign(ctas, {});
  g_pending.clear();
  g_cluster_barrier = {};
  begin_cluster();
  g_agents = static_cast<uint32_t>(ctas * (threads + warps)) + 1;
  for (size_t c = 0; c < ctas; ++c)
    std::memset(shared_memory + c * kCtaShared, kPoison, launch.shared_bytes + kCanary);
  while (g_threads.size() < ctas * threads) g_threads.push_back(std::make_unique<Thread>());
  g_threads.resize(ctas * threads);
  for (size_t c = 0; c < ctas; ++c) {
    Cta& cta = g_ctas[c];
    cta.block = blocks[c];
    cta.warps.resize(warps);
    cta.warpgroups.resize((warps + 3) / 4);
    cta.products.resize((warps + 3) / 4);
    cta.alive = launch.threads;
    for (size_t i = 0; i < threads; ++i) {
      Thread& t = *g_threads[c * threads + i];
      t.cta = &cta;
      t.index = static_cast<int>(i);
      t.rank = static_cast<int>(c);
      t.thread = uint3{static_cast<unsigned>(i), 0, 0};
      t.done = false;
      t.watched = nullptr;
      t.where = "start";
      t.id = static_cast<uint32_t>(c * threads + i);
      t.clock = 1;
      t.knows = {};
      if (!launch.programmatic) know_earlier_grids(t);
      t.registers.begin();
      t.unfenced = false;
      t.accesses = 0;
      t.copies.clear();
      t.open_copies.clear();
      t.unfenced_barriers.clear();
      t.fiber.start(&thread_main, &t);
    }
  }
}

// Turns of all warps, in an order and with stalls that the seed decides, until every thread has
// ended.
void run_cluster() {
  const size_t threads_per_cta = static_cast<size_t>(launch.threads), total = g_threads.size();
  struct Warp {
    size_t begin, end;
    int stalled = 0;
  };
  std::vector<Warp> warps;
  for (size_t i = 0; i < total;) {
    const size_t end = std::min(i + 32, (i / threads_per_cta + 1) * threads_per_cta);
    warps.push_back({i, end});
    i = end;
  }
  int idle = 0;
  for (;;) {
    const uint64_t before = g_progress;
    bool any = false, slept = false;
    const size_t offset = g_random() % warps.size();
    for (size_t w = 0; w < warps.size(); ++w) {
      Warp& warp = warps[(w + offset) % warps.size()];
      if (warp.stalled > 0)
        --warp.stalled;
      else if (g_options.stall > 0 && g_random() % static_cast<uint64_t>(g_options.stall) == 0)
        warp.stalled = 1 + static_cast<int>(g_random() % 16);
      for (size_t i = warp.begin; i < warp.end; ++i) {
        Thread& t = *g_threads[i];
        if (t.done) continue;
        any = true;
        if (t.watched != nullptr && *t.watched == t.seen) continue;
        if (warp.stalled > 0) {
          slept = true;  // but it could go on
          break;
        }
        t.watched = nullptr;
        current = &t;
        in_kernel = g_options.ordered;
        t.fiber.enter();
        in_kernel = false;
        if (!g_error.empty()) return;
      }
    }
    if (!any) return;
    for (uint64_t i = g_random() % 3; i > 0 && !g_pending.empty(); --i) run_one_pending();
    if (!g_pending.empty() && g_progress == before && !slept) run_one_pending();
    if (!g_error.empty()) return;
    idle = g_progress == before && !slept ? idle + 1 : 0;
    if (idle > 3) {
      g_error = "deadlock:" + where_everybody_waits();
      return;
    }
  }
}

void check_end() {
  if (!g_error.empty()) return;
  if (!g_pending.empty()) g_error = "an asynchronous copy is in flight at the end of the kernel";
  for (size_t c = 0; c < g_ctas.size(); ++c) {
    for (const ProductQueue& q : g_ctas[c].products) {
      if (!q.open.empty() || !q.committed.empty())
        g_error = "wgmma in flight at the end of the kernel";
    }
    const char* begin = shared_memory + c * kCtaShared;
    for (size_t i = launch.shared_bytes; i < launch.shared_bytes + kCanary; ++i) {
      if (static_cast<unsigned char>(begin[i]) == kPoison) continue;
      g_error = "write beyond the " + std::to_string(launch.shared_bytes) +
                " bytes of shared memory asked for, at " + std::to_string(i);
      break;
    }
  }
}

}  // namespace

void configure(const Options& options) {
  g_options = options;
  g_random.seed(options.seed);
}

const Options& options() { return g_options; }

void reset(const Options& options) {
  const std::lock_guard lock(g_running);
  configure(options);
  leave_nothing_out();
  recorded_sites();
  forget_memory();
}

int cluster_threads() { return static_cast<int>(g_threads.size()); }

uint3 thread_index() { return current->thread; }
uint3 block_index() { return current->cta->block; }
dim3 grid_size() { return launch.grid; }
dim3 block_size() { return dim3(static_cast<unsigned>(launch.threads)); }
uint8_t* cta_shared_memory() {
  return reinterpret_cast<uint8_t*>(shared_memory) + current->rank * kCtaShared;
}

void run(const Launch& what, const std::function<void()>& body) {
  const std::lock_guard lock(g_running);
  if (what.threads < 1 || what.threads > 1024)
    throw Error("a CTA of " + std::to_string(what.threads) + " threads");
  if (what.shared_bytes > 227 * 1024)
    throw Error(std::to_string(what.shared_bytes) +
                " bytes of shared memory: more than a CTA may have");
  if (what.cluster < 1 || what.cluster > kMaxCluster ||
      what.grid.x % static_cast<unsigned>(what.cluster) != 0)
    throw Error("cluster does not divide the grid");
  static const std::unique_ptr<char[]> memory(new char[kMaxCluster * kCtaShared + 1024]);
  shared_memory = memory.get() + (1024 - reinterpret_cast<uintptr_t>(memory.get()) % 1024) % 1024;
  launch = what;
  const bool waited_for = what.stream == nullptr && !chained();  // by whoever launched the last one
  if (waited_for || what.stream != g_stream) full_barrier();
  g_stream = what.stream;
  launch.programmatic = begin_grid(what.programmatic);
  g_body = &body;
  g_error.clear();
  std::vector<uint3> first;  // block of each cluster
  for (unsigned z = 0; z < what.grid.z; ++z) {
    for (unsigned y = 0; y < what.grid.y; ++y) {
      for (unsigned x = 0; x < what.grid.x; x += static_cast<unsigned>(what.cluster))
        first.push_back({x, y, z});
    }
  }
  std::shuffle(first.begin(), first.end(), g_random);
  for (const uint3 block : first) {
    std::vector<uint3> blocks;
    for (int r = 0; r < what.cluster; ++r)
      blocks.push_back({block.x + static_cast<unsigned>(r), block.y, block.z});
    prepare(blocks);
    run_cluster();
    check_end();
    if (!g_error.empty()) {
      g_pending.clear();
      full_barrier();
      throw Error("block " + std::to_string(block.x) + "," + std::to_string(block.y) + ": " +
                  g_error);
    }
  }
}

void fail(const std::string& what) {
  if (g_error.empty()) g_error = what;
  if (current == nullptr) throw Failed{};
  for (;;) current->fiber.leave();
}

void progress() { ++g_progress; }

namespace {

std::unique_ptr<Thread>* lanes_of_warp() {
  return &g_threads[current->id - static_cast<uint32_t>(current->lane())];
}

}  // namespace

void together() {
  for (int lane = 0; lane < 32; ++lane) lanes_of_warp()[lane]->accesses = 0;
}

void check_together(const char* what) {
  for (int lane = 0; lane < 32; ++lane)
    if (lanes_of_warp()[lane]->accesses != lanes_of_warp()[0]->accesses)
      fail(
          std::string(what) +
          ": nothing has brought the warp's lanes together since some of them loaded or stored and "
          "others did not");
}

uint32_t random_below(uint32_t n) { return static_cast<uint32_t>(g_random() % n); }

void bring(Exchange& exchange) {
  if (!g_options.ordered) return;
  exchange.brought.add(current->knows, {current->id, current->clock++});
}
void take(const Exchange& exchange, uint32_t generation) {
  if (!g_options.ordered) return;
  current->knows.join(exchange.taken[generation % 2]);
}
void pass(Exchange& exchange, uint32_t generation) {
  exchange.taken[generation % 2] = exchange.brought.take();
}

void peer_access(Thread& thread, int rank) {
  check_peer(rank);
  g_ctas[static_cast<size_t>(rank)].visits[thread.id] = thread.clock;
}

void wait_change(const uint32_t& counter, uint32_t seen, const char* where) {
  Thread* self = current;
  self->where = where;
  while (counter == seen) {
    self->watched = &counter;
    self->seen = seen;
    self->fiber.leave();
  }
  progress();
}

void later(std::function<void()> work) { g_pending.push_back(std::move(work)); }

void barrier_sync(int id, int threads, bool wait) {
  if (id < 0 || id > 15) fail("named barrier " + std::to_string(id));
  Cta& cta = *current->cta;
  Barrier& b = cta.barriers[id];
  const uint32_t generation = b.generation;
  if (b.arrived == 0)
    b.expected = static_cast<uint32_t>(threads);
  else if (b.expected != static_cast<uint32_t>(threads))
    fail("threads disagree about the size of barrier " + std::to_string(id));
  if (g_options.fault == Fault::kLostArrival && current->index == 0) {
    if (wait) wait_change(b.generation, generation, "barrier");
    return;
  }
  bring(b.knowledge);
  current->accesses = 0;
  ++b.arrived;
  progress();
  if (id == 0) {
    check_full(cta, b);
  } else if (b.arrived == b.expected) {
    b.arrived = 0;
    pass(b.knowledge, b.generation++);
  }
  if (!wait) return;
  if (b.generation == generation)
    wait_change(b.generation, generation, id == 0 ? "__syncthreads" : "named barrier");
  take(b.knowledge, generation);
}

int vote_all_threads(int value, int kind) {
  Cta& cta = *current->cta;
  cta.votes.resize(static_cast<size_t>(launch.threads));
  cta.votes[static_cast<size_t>(current->index)] = value;
  barrier_sync(0, launch.threads, true);
  int count = 0;
  for (const int v : cta.votes) count += v != 0;
  barrier_sync(0, launch.threads, true);
  if (kind == 0) return count > 0;
  return kind == 1 ? count == launch.threads : count;
}

void cluster_arrive() {
  current->cluster_generation = g_cluster_barrier.generation;
  bring(g_cluster_barrier.knowledge);
  ++g_cluster_barrier.arrived;
  progress();
  check_cluster_barrier();
}

void cluster_wait() {
  wait_change(g_cluster_barrier.generation, current->cluster_generation, "cluster barrier");
  take(g_cluster_barrier.knowledge, current->cluster_generation);
}

char* at(uint32_t address) {
  if (address >= g_ctas.size() * kCtaShared) fail("address outside shared memory");
  return shared_memory + address;
}

void check_peer(int rank) {
  if (rank < 0 || static_cast<size_t>(rank) >= g_ctas.size()) fail("no such CTA in the cluster");
  if (g_ctas[static_cast<size_t>(rank)].alive == 0)
    fail("access to the shared memory of a CTA that has ended");
}

void make_mbarrier(uint32_t address, int arrivals) {
  if (address % 8 != 0) fail("mbarrier alignment");
  Mbarrier m;
  m.count = m.pending = arrivals;
  m.made = {current->id, current->clock};
  m.agent = g_agents++;
  current->cta->mbarriers[address] = std::move(m);
  current->unfenced_barriers.push_back(address);
}

Mbarrier& mbarrier(uint32_t address) {
  auto& all = g_ctas.at(address / kCtaShared).mbarriers;
  const auto found = all.find(address);
  if (found == all.end()) fail("an mbarrier that was never initialised");
  if (current != nullptr && g_options.ordered && found->second.made.agent != current->id &&
      !covers(current->knows.seen, found->second.made))
    fail("an mbarrier is used, and no barrier is between its initialisation and this");
  return found->second;
}

Stamp completion_of(const Mbarrier& barrier) { return {barrier.agent, barrier.generation + 1}; }

uint32_t product_agent(const Thread& t) {
  const size_t warps = (static_cast<size_t>(launch.threads) + 31) / 32;
  return static_cast<uint32_t>(g_threads.size() + 1 + static_cast<size_t>(t.rank) * warps) +
         static_cast<uint32_t>(t.warp());
}

void complete_bytes(uint32_t address, int64_t bytes) {
  check_peer(static_cast<int>(address / kCtaShared));
  Mbarrier& m = mbarrier(address);
  m.bytes -= bytes;
  check_mbarrier(m);
}

void arrive(uint32_t address) {
  check_peer(static_cast<int>(address / kCtaShared));
  Mbarrier& m = mbarrier(address);
  if (current != nullptr) bring(m.knowledge);
  if (--m.pending < 0) fail("more arrivals on an mbarrier than it expects");
  check_mbarrier(m);
}

}  // namespace emu
