// SPDX-License-Identifier: Apache-2.0
#include "memory.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <string>
#include <unordered_map>

#include "machine.h"

// The program's variables: of those a kernel only touches its __shared__ ones.
extern "C" char __data_start, _end;

namespace emu {

namespace {

constexpr uintptr_t kWord = 4;  // bytes that share a record
constexpr int kReaders = 4;

enum class By : uint8_t { kNobody, kThread, kAtomic, kCopy, kCopying };

// The last accesses to a word. Times are numbers of clusters, which grow from grid to grid.
struct Word {
  uint32_t written_in = 0, read_in = 0;  // cluster; 0: never
  Stamp writer, reader;
  By by = By::kNobody;
};

// Of shared memory; with more readers, one for each fourth warp.
struct SharedWord {
  uint32_t cluster = 0;  // another than the one that runs: nobody has touched it
  By by = By::kNobody;
  Stamp writer;
  std::array<Stamp, kReaders> readers;  // clock 0: none
};

constexpr uintptr_t kPageBytes = 4096;
struct Page {
  std::array<Word, kPageBytes / kWord> words;
};

struct Grid {
  uint32_t first = 1, end = 1;  // its clusters
  uint32_t complete = 1;  // clusters before this one have ended and are visible when it begins
  uint32_t visible_first = 0, visible_end = 0;  // clusters whose stores are visible too
  bool triggered = false, fenced = true;
};

std::vector<SharedWord> g_shared;
std::unordered_map<uintptr_t, std::unique_ptr<Page>> g_pages;
uintptr_t g_last_page = 0;
Page* g_last = nullptr;
std::unordered_map<const void*, GridClocks> g_atomics;
uint32_t g_cluster = 0;
Grid g_grid;
std::atomic<bool> g_barrier{true};
struct Polled {
  uintptr_t word = 0, data = 0;
  size_t bytes = 0;
} g_polled;
thread_local int g_chains = 0;
thread_local uint64_t g_grids = 0;

Page* page_of(uintptr_t word, bool make) {
  const uintptr_t number = word / kPageBytes;
  if (number == g_last_page && g_last != nullptr) return g_last;
  const auto found = g_pages.find(number);
  Page* page = found == g_pages.end() ? nullptr : found->second.get();
  if (page == nullptr && make) page = (g_pages[number] = std::make_unique<Page>()).get();
  if (page != nullptr) g_last_page = number, g_last = page;
  return page;
}

bool is_static(const void* data) {
  return data >= static_cast<const void*>(&__data_start) && data < static_cast<const void*>(&_end);
}

uint32_t earlier_grids() { return static_cast<uint32_t>(cluster_threads()); }

bool knows_earlier_grids(const Clocks& clocks) { return covers(clocks, {earlier_grids(), 1}); }

bool relies_on(const Thread& thread, Stamp stamp) {
  return stamp.agent == thread.id || covers(thread.knows.seen, stamp);
}

std::string name(uint32_t agent) {
  const auto threads = static_cast<uint32_t>(launch.threads);
  if (agent < earlier_grids())
    return "thread " + std::to_string(agent % threads) + " of CTA " +
           std::to_string(agent / threads);
  return "an asynchronous operation";
}

std::string shared_place(uintptr_t address) {
  return "byte " + std::to_string(address % kCtaShared) + " of the shared memory of CTA " +
         std::to_string(address / kCtaShared);
}

std::string global_place(uintptr_t address) {
  return is_static(reinterpret_cast<const void*>(address))
             ? "a __shared__ variable"
             : "global memory at " + std::to_string(address);
}

[[noreturn, gnu::cold, gnu::noinline]] void refuse(const std::string& who, const char* does,
                                                   const std::string& place,
                                                   const std::string& why) {
  fail(who + " " + does + " " + place + ": " + why);
}
[[noreturn, gnu::cold, gnu::noinline]] void refuse_shared(uint32_t agent, const char* does,
                                                          uintptr_t address, const char* why) {
  refuse(name(agent), does, shared_place(address), why);
}

// --- shared memory

SharedWord& shared_word(uintptr_t address) {
  SharedWord& word = g_shared[address / kWord];
  if (word.cluster != g_cluster)
    word = {.cluster = g_cluster, .by = By::kNobody, .writer = {}, .readers = {}};
  return word;
}

// What `thread` depends on that it does not know: an earlier store or copy; with `readers`, loads
// too. Null: nothing.
const char* unordered(const Thread& thread, const SharedWord& word, bool readers, bool atomic) {
  switch (word.by) {
    case By::kNobody:
      break;
    case By::kCopying:
      return "cp.async writes it and has not been waited for";
    case By::kCopy:
      if (!relies_on(thread, word.writer))
        return "an asynchronous copy writes it, and its mbarrier has not been waited for";
      break;
    case By::kThread:
    case By::kAtomic:
      if (!(atomic && word.by == By::kAtomic) && !relies_on(thread, word.writer))
        return "another thread writes it, and no barrier is between them";
      break;
  }
  if (!readers) return nullptr;
  for (const Stamp& reader : word.readers) {
    if (reader.clock != 0 && !relies_on(thread, reader))
      return reader.agent < earlier_grids()
                 ? "another thread reads it, and no barrier is between them"
                 : "wgmma reads it and has not been waited for";
  }
  return nullptr;
}

void access_shared(Thread& thread, uintptr_t address, size_t bytes, Access access) {
  const bool write = access != Access::kRead;
  for (uintptr_t at = address / kWord * kWord; at < address + bytes; at += kWord) {
    SharedWord& word = shared_word(at);
    if (const char* why = unordered(thread, word, write, access == Access::kAtomic))
      refuse_shared(thread.id, write ? "writes" : "reads", at, why);
    if (!write) {
      word.readers[static_cast<size_t>(thread.warp()) % kReaders] = {thread.id, thread.clock};
      continue;
    }
    word.by = access == Access::kAtomic ? By::kAtomic : By::kThread;
    word.writer = {thread.id, thread.clock};
    word.readers = {};
  }
  const auto cta = static_cast<size_t>(address / kCtaShared);
  if (cta != static_cast<size_t>(thread.rank)) peer_access(thread, static_cast<int>(cta));
}

// --- global memory

enum class Order { kYes, kNo, kDependency, kProxy };

// Whether `thread` may rely on a store or load by `stamp` in cluster `cluster`; `copy`: for an
// asynchronous copy, which sees through a proxy of its own.
Order ordered(const Thread& thread, uint32_t cluster, Stamp stamp, bool copy) {
  if (cluster < g_grid.complete) return Order::kYes;
  if (cluster < g_grid.first) {
    const bool visible = cluster >= g_grid.visible_first && cluster < g_grid.visible_end;
    if (!knows_earlier_grids(thread.knows.seen))
      return visible && !copy ? Order::kYes : Order::kDependency;
    return copy && !knows_earlier_grids(thread.knows.proxied) ? Order::kProxy : Order::kYes;
  }
  const bool known =
      cluster == g_cluster ? relies_on(thread, stamp) : covers(thread.knows.others, cluster, stamp);
  if (!known) return Order::kNo;
  return copy && !covers(thread.knows.proxied, stamp) ? Order::kProxy : Order::kYes;
}

std::string reason(Order order, const char* what) {
  switch (order) {
    case Order::kDependency:
      return "a grid before this one " + std::string(what) +
             " it, and wait_for_dependencies has not been called";
    case Order::kProxy:
      return "an ordinary store wrote it, and no fence_proxy_async is between them";
    default:
      return "another thread of the grid " + std::string(what) + " it, and nothing orders the two";
  }
}

void host_reads(const Thread& thread) {
  for (uintptr_t at = g_polled.data; at < g_polled.data + g_polled.bytes; at += kWord) {
    const Page* const page = page_of(at, false);
    if (page == nullptr) continue;
    const Word& word = page->words[at % kPageBytes / kWord];
    if (word.written_in >= g_grid.first &&
        !covers(thread.knows.system, word.written_in, word.writer))
      refuse("the host", "reads", global_place(at), "no __threadfence_system has made it visible");
  }
}

void access_global(Thread& thread, uintptr_t address, size_t bytes, Access access, bool is_static) {
  const bool write = access != Access::kRead;
  if (write && !is_static) {
    if (!knows_earlier_grids(thread.knows.seen))
      refuse(name(thread.id), "writes", global_place(address),
             "wait_for_dependencies has not been called");
    thread.unfenced = true;
  }
  for (uintptr_t at = address / kWord * kWord; at < address + bytes; at += kWord) {
    Page* page = page_of(at, write);
    if (page == nullptr) continue;  // no kernel has written near it
    Word& word = page->words[at % kPageBytes / kWord];
    if (is_static && word.written_in != g_cluster) word.written_in = 0;
    if (is_static && word.read_in != g_cluster) word.read_in = 0;
    const bool atomics =
        word.by == By::kAtomic && word.written_in >= g_grid.first && access == Access::kAtomic;
    if (word.written_in != 0 && !atomics) {
      const Order order = ordered(thread, word.written_in, word.writer, false);
      if (order != Order::kYes)
        refuse(name(thread.id), write ? "writes" : "reads", global_place(at),
               reason(order, "writes"));
    }
    if (!write) {
      word.read_in = g_cluster;
      word.reader = {thread.id, thread.clock};
      continue;
    }
    if (word.read_in != 0) {
      const Order order = ordered(thread, word.read_in, word.reader, false);
      if (order != Order::kYes)
        refuse(name(thread.id), "writes", global_place(at), reason(order, "reads"));
    }
    word.by = access == Access::kAtomic ? By::kAtomic : By::kThread;
    word.written_in = g_cluster;
    word.writer = {thread.id, thread.clock};
    word.read_in = 0;
    if (at == g_polled.word) host_reads(thread);
  }
}

[[noreturn, gnu::cold, gnu::noinline]] void refuse_register(const Thread& thread, const char* why) {
  fail(name(thread.id) + ": " + why);
}

void meet_atomics(Thread& thread, const void* data) {
  GridClocks& place = g_atomics[data];
  thread.knows.observed = join(thread.knows.observed, place);
  place = join(place, thread.knows.fenced);
}

}  // namespace

void access(const void* data, size_t bytes, Access access) {
  const Unwatched machine;
  Thread& thread = *current;
  const auto address = reinterpret_cast<uintptr_t>(data);
  if (const uintptr_t at = address - thread.fiber.stack(); at < Fiber::kStackBytes) {
    if (const char* why = thread.registers.touch(at, bytes)) refuse_register(thread, why);
    return;
  }
  ++thread.accesses;
  if (const uintptr_t at = address - reinterpret_cast<uintptr_t>(shared_memory);
      at < kMaxCluster * size_t{kCtaShared})
    return access_shared(thread, at, bytes, access);
  access_global(thread, address, bytes, access, is_static(data));
  if (access == Access::kAtomic) meet_atomics(thread, data);
}

void know_earlier_grids(Thread& thread) {
  static uint32_t agent = 0;
  static Clocks known;
  if (known == nullptr || agent != earlier_grids()) {
    agent = earlier_grids();
    known = with(nullptr, {agent, 1});
  }
  thread.knows.seen = join(thread.knows.seen, known);
}

void fence(Thread& thread, bool system) {
  GridClocks& others = thread.knows.others;
  others = join(others, std::exchange(thread.knows.observed, nullptr));
  const auto mine = std::make_shared<std::map<uint32_t, Clocks>>();
  (*mine)[g_cluster] = with(thread.knows.seen, {thread.id, thread.clock++});
  const GridClocks all = join(mine, others);
  thread.knows.fenced = join(thread.knows.fenced, all);
  if (system) thread.knows.system = join(thread.knows.system, all);
  thread.unfenced = false;
}

void fence_proxy(Thread& thread) {
  thread.knows.proxied = with(thread.knows.seen, {thread.id, thread.clock++});
}

void copy_reads(const void* data, size_t bytes, Stamp completion) {
  const auto address = reinterpret_cast<uintptr_t>(data);
  for (uintptr_t at = address / kWord * kWord; at < address + bytes; at += kWord) {
    Page* page = page_of(at, false);
    if (page == nullptr) continue;
    Word& word = page->words[at % kPageBytes / kWord];
    if (word.written_in != 0) {
      const Order order = ordered(*current, word.written_in, word.writer, true);
      if (order != Order::kYes)
        refuse("an asynchronous copy", "reads", global_place(at), reason(order, "writes"));
    }
    word.read_in = g_cluster;
    word.reader = completion;
  }
}

void copy_writes(uint32_t shared, size_t bytes, Stamp completion) {
  for (uintptr_t at = shared; at < shared + bytes; at += kWord) {
    SharedWord& word = shared_word(at);
    const char* why = unordered(*current, word, true, false);
    if (why == nullptr && (word.by == By::kThread || word.by == By::kAtomic))
      why = "an ordinary store wrote it, and there is no proxy fence for shared memory";
    if (why != nullptr) refuse("an asynchronous copy", "overwrites", shared_place(at), why);
    word.by = By::kCopy;
    word.writer = completion;
    word.readers = {};
  }
}

void product_reads(uint32_t shared, size_t bytes, Thread& thread, Stamp completion) {
  for (uintptr_t at = shared; at < shared + bytes; at += kWord) {
    SharedWord& word = shared_word(at);
    const char* why = unordered(thread, word, false, false);
    if (why == nullptr && (word.by == By::kThread || word.by == By::kAtomic))
      why = "an ordinary store wrote it, and there is no proxy fence for shared memory";
    if (why != nullptr) refuse("wgmma", "reads", shared_place(at), why);
    word.readers[static_cast<size_t>(thread.warp()) % kReaders] = completion;
  }
}

void copying(uint32_t shared, size_t bytes) {
  access_shared(*current, shared, bytes, Access::kWrite);
  for (uintptr_t at = shared; at < shared + bytes; at += kWord) shared_word(at).by = By::kCopying;
}

void landed(uint32_t shared, size_t bytes, Stamp when) {
  for (uintptr_t at = shared; at < shared + bytes; at += kWord) {
    SharedWord& word = shared_word(at);
    word.by = when.agent < earlier_grids() ? By::kThread : By::kCopy;
    word.writer = when;
  }
}

bool begin_grid(bool programmatic) {
  const Grid before = g_grid;
  ++g_grids;
  g_grid = {};
  g_grid.first = g_grid.end = g_grid.complete = g_cluster + 1;
  const bool early = !g_barrier.exchange(false) && programmatic;
  g_grid.triggered = options().fault == Fault::kEarlyTrigger;
  g_atomics.clear();
  g_last = nullptr;
  if (!early) {
    if (g_pages.size() > 4096) g_pages.clear();
    return false;
  }
  if (before.triggered) {
    g_grid.complete = before.complete;
    g_grid.visible_first = before.visible_first;
    g_grid.visible_end = before.visible_end;
    return true;
  }
  g_grid.complete = before.first;
  if (before.fenced) g_grid.visible_first = before.first, g_grid.visible_end = before.end;
  return true;
}

void begin_cluster() {
  ++g_cluster;
  g_grid.end = g_cluster + 1;
  g_shared.resize(kMaxCluster * kCtaShared / kWord);
  forget_joins();
}

void triggered() { g_grid.triggered = true; }

void end_thread(const Thread& thread) { g_grid.fenced = g_grid.fenced && !thread.unfenced; }

void forget_memory() {
  g_pages.clear();
  g_last = nullptr;
  g_atomics.clear();
  g_polled = {};
  full_barrier();
}

uint64_t num_grids() { return g_grids; }

void full_barrier() { g_barrier = true; }

Chain::Chain() {
  full_barrier();
  ++g_chains;
}
Chain::~Chain() {
  --g_chains;
  full_barrier();
}
bool chained() { return g_chains > 0; }

HostPoll::HostPoll(const void* word, const void* data, size_t bytes) {
  g_polled = {reinterpret_cast<uintptr_t>(word), reinterpret_cast<uintptr_t>(data), bytes};
}
HostPoll::~HostPoll() { g_polled = {}; }

void predecessor_writes(const void* data, size_t bytes) {
  begin_grid(true);
  ++g_cluster;
  g_grid.end = g_cluster + 1;
  g_grid.triggered = true;
  const auto address = reinterpret_cast<uintptr_t>(data);
  for (uintptr_t at = address / kWord * kWord; at < address + bytes; at += kWord) {
    Word& word = page_of(at, true)->words[at % kPageBytes / kWord];
    word = {.written_in = g_cluster, .read_in = 0, .writer = {}, .reader = {}, .by = By::kThread};
  }
}

}  // namespace emu
