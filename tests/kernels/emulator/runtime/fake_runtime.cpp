// SPDX-License-Identifier: Apache-2.0
#include "fake_runtime.h"

#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "fake_device.h"
#include "fake_kernels.h"
#include "memory.h"

namespace fake_cuda {

namespace {

using Work = std::function<void()>;

void pause() {
  int microseconds = 0;
  {
    const std::lock_guard lock(state().mu);
    if (state().max_delay > 0)
      microseconds =
          static_cast<int>(state().random() % static_cast<uint64_t>(state().max_delay + 1));
  }
  if (microseconds > 0) std::this_thread::sleep_for(std::chrono::microseconds(microseconds));
}

// Kernels may begin before other kernels have ended, never before anything else.
void run_work(const Work& work) {
  const uint64_t before = emu::num_grids();
  work();
  if (emu::num_grids() == before) emu::full_barrier();
}

}  // namespace

// What is enqueued keeps an event alive after its destruction, as the driver does.
struct Event {
  std::mutex mu;
  std::condition_variable cv;
  uint64_t recorded = 0, reached = 0;  // numbers of records made, and passed by their stream
  std::chrono::steady_clock::time_point time;
  std::shared_ptr<Event> self;    // until destroyed
  Stream* recorded_by = nullptr;  // whose capture the last record is in
};

struct Graph {
  std::vector<Work> nodes;
};

struct Stream {
  Stream() : thread([this] { run(); }) {}
  ~Stream() {
    {
      const std::lock_guard lock(mu);
      done = true;
      cv.notify_all();
    }
    thread.join();
  }

  void push(Work w) {
    const std::lock_guard lock(mu);
    queue.push_back(std::move(w));
    cv.notify_all();
  }
  bool idle() {
    const std::lock_guard lock(mu);
    return queue.empty() && !busy;
  }
  void wait_idle() {
    std::unique_lock lock(mu);
    cv.wait(lock, [&] { return queue.empty() && !busy; });
  }
  void run() {
    std::unique_lock lock(mu);
    while (true) {
      cv.wait(lock, [&] { return done || !queue.empty(); });
      if (queue.empty()) return;
      const Work w = std::move(queue.front());
      queue.pop_front();
      busy = true;
      lock.unlock();
      pause();
      begin_work();
      if (!lost()) run_work(w);
      lock.lock();
      busy = false;
      cv.notify_all();
    }
  }

  std::mutex mu;
  std::condition_variable cv;
  std::deque<Work> queue;
  bool busy = false, done = false;
  // Used by the thread that launches. A stream that has waited for an event of another's capture is
  // part of that until it ends; the graph has all in the order in which it was enqueued.
  std::unique_ptr<Graph> capture;
  Stream* captured_by = nullptr;
  std::thread thread;  // last: it uses everything above
};

void enqueue(cudaStream_t stream, Work work) {
  if (does_nothing()) return;
  if (stream == nullptr) {
    begin_work();
    return run_work(work);
  }
  if (stream->captured_by != nullptr)
    stream->captured_by->capture->nodes.push_back(std::move(work));
  else
    stream->push(std::move(work));
}

bool recording(cudaStream_t stream) { return stream != nullptr && stream->captured_by != nullptr; }

}  // namespace fake_cuda

using fake_cuda::count;
using fake_cuda::reach_device;
using fake_cuda::result;
using fake_cuda::state;
using fake_cuda::Stats;

cudaError_t cudaDeviceSynchronize() {
  if (const cudaError_t error = reach_device(); error != cudaSuccess) return error;
  std::set<cudaStream_t> streams;
  {
    const std::lock_guard lock(state().mu);
    streams = state().streams;
  }
  for (const cudaStream_t stream : streams) stream->wait_idle();
  return fake_cuda::lost() ? result(cudaErrorIllegalAddress) : cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind,
                            cudaStream_t stream) {
  if (const cudaError_t error = reach_device(); error != cudaSuccess) return error;
  count(&Stats::num_copies);
  count(&Stats::copied_bytes, bytes);
  fake_cuda::enqueue(stream, [=] { std::memmove(to, from, bytes); });
  return cudaSuccess;
}

cudaError_t cudaMemcpy2DAsync(void* to, size_t to_pitch, const void* from, size_t from_pitch,
                              size_t width, size_t height, cudaMemcpyKind, cudaStream_t stream) {
  if (const cudaError_t error = reach_device(); error != cudaSuccess) return error;
  if (width > to_pitch || width > from_pitch) return result(cudaErrorInvalidValue);
  count(&Stats::num_copies);
  count(&Stats::copied_bytes, width * height);
  fake_cuda::enqueue(stream, [=] {
    for (size_t row = 0; row < height; ++row)
      std::memcpy(static_cast<char*>(to) + row * to_pitch,
                  static_cast<const char*>(from) + row * from_pitch, width);
  });
  return cudaSuccess;
}

cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  return cudaMemcpyAsync(to, from, bytes, kind, nullptr);
}

cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream) {
  if (const cudaError_t error = reach_device(); error != cudaSuccess) return error;
  fake_cuda::enqueue(stream, [=] { std::memset(to, value, bytes); });
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  if (const cudaError_t error = reach_device(); error != cudaSuccess) return error;
  *stream = new fake_cuda::Stream;
  const std::lock_guard lock(state().mu);
  state().streams.insert(*stream);
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  {
    const std::lock_guard lock(state().mu);
    state().streams.erase(stream);
  }
  delete stream;  // finishes its work first
  return cudaSuccess;
}

// A lost device is waited for too: the piece of work that it was lost in may still use memory.
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  count(&Stats::num_waits);
  const cudaError_t error = reach_device();
  if (stream != nullptr) stream->wait_idle();
  if (error != cudaSuccess) return error;
  return fake_cuda::lost() ? result(cudaErrorIllegalAddress) : cudaSuccess;
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
  if (const cudaError_t error = reach_device(); error != cudaSuccess) return error;
  count(&Stats::num_queries);
  return stream == nullptr || stream->idle() ? cudaSuccess : cudaErrorNotReady;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  uint64_t wanted = 0;
  {
    const std::lock_guard lock(event->mu);
    wanted = event->recorded;
  }
  if (stream != nullptr && event->recorded_by != nullptr && event->recorded_by->capture)
    stream->captured_by = event->recorded_by;
  fake_cuda::enqueue(stream, [event = event->self, wanted] {
    std::unique_lock lock(event->mu);
    while (event->reached < wanted && !fake_cuda::lost())
      event->cv.wait_for(lock, std::chrono::milliseconds(1));
  });
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  if (const cudaError_t error = reach_device(); error != cudaSuccess) return error;
  auto made = std::make_shared<fake_cuda::Event>();
  *event = (made->self = made).get();
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  if (event != nullptr) const auto last = std::move(event->self);
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  if (const cudaError_t error = reach_device(); error != cudaSuccess) return error;
  uint64_t number = 0;
  {
    const std::lock_guard lock(event->mu);
    number = ++event->recorded;
  }
  event->recorded_by = stream == nullptr ? nullptr : stream->captured_by;
  fake_cuda::enqueue(stream, [event = event->self, number] {
    const std::lock_guard lock(event->mu);
    event->reached = number;
    event->time = std::chrono::steady_clock::now();
    event->cv.notify_all();
  });
  return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  if (const cudaError_t error = reach_device(); error != cudaSuccess) return error;
  count(&Stats::num_waits);
  if (fake_cuda::does_nothing()) return cudaSuccess;
  std::unique_lock lock(event->mu);
  while (event->reached < event->recorded && !fake_cuda::lost())
    event->cv.wait_for(lock, std::chrono::milliseconds(1));
  return event->reached < event->recorded ? result(cudaErrorIllegalAddress) : cudaSuccess;
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  const std::lock_guard lock(event->mu);
  return event->reached >= event->recorded ? cudaSuccess : cudaErrorNotReady;
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end) {
  *milliseconds = std::chrono::duration<float, std::milli>(end->time - begin->time).count();
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  if (const cudaError_t error = reach_device(); error != cudaSuccess) return error;
  if (stream == nullptr || stream->captured_by != nullptr) return result(cudaErrorInvalidValue);
  stream->capture = std::make_unique<fake_cuda::Graph>();
  stream->captured_by = stream;
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  if (const cudaError_t error = reach_device(); error != cudaSuccess) return error;
  if (stream == nullptr || !stream->capture) return result(cudaErrorInvalidValue);
  *graph = stream->capture.release();
  const std::lock_guard lock(state().mu);
  for (const cudaStream_t other : state().streams)
    if (other->captured_by == stream) other->captured_by = nullptr;
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long) {
  if (const cudaError_t error = reach_device(); error != cudaSuccess) return error;
  *exec = new fake_cuda::Graph(*graph);
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  if (const cudaError_t error = reach_device(); error != cudaSuccess) return error;
  count(&Stats::num_graph_launches);
  bool first = true;  // it waits for what was before the graph
  for (const auto& node : exec->nodes) {
    fake_cuda::enqueue(stream, [node, first] {
      if (first) emu::full_barrier();
      node();
    });
    first = false;
  }
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  delete exec;
  return cudaSuccess;
}
