// The Node-API surface of the native device: open an engine, allocate, load, run, abort. Runs are queued to one runner
// thread per engine, so the JavaScript thread never waits; completions come back through a thread-safe function.
#define NAPI_VERSION 8
#include <node_api.h>

#include <condition_variable>
#include <cstring>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "generated/table.h"
#include "memory.h"
#include "peak.h"
#include "run.h"

namespace {

using namespace heed;

struct Job {
  double id = 0;
  std::shared_ptr<Program> program;
  std::vector<uint64_t> slots;
  std::atomic<uint32_t> abort{0};
  Outcome outcome = Outcome::done;
  Failure failure{};
};

// One engine, its runner thread and the queue between JavaScript and the runner.
class Runner {
 public:
  Runner(int threads, const Tier& tier) : engine(threads, tier), thread_([this] { serve(); }) {}
  ~Runner() { close(); }

  void push(std::unique_ptr<Job> job) {
    std::lock_guard<std::mutex> hold(lock_);
    queue_.push_back(std::move(job));
    ready_.notify_one();
  }

  void abort(double id) {
    std::lock_guard<std::mutex> hold(lock_);
    if (running_ != nullptr && running_->id == id) running_->abort.store(1);
    for (auto& job : queue_)
      if (job->id == id) job->abort.store(1);
  }

  // Stops after the kernel in progress; queued jobs are dropped.
  void close() {
    {
      std::lock_guard<std::mutex> hold(lock_);
      closed_ = true;
      if (running_ != nullptr) running_->abort.store(1);
      ready_.notify_one();
    }
    if (thread_.joinable()) thread_.join();
  }

  Engine engine;
  napi_threadsafe_function completed = nullptr;  // null when Node has taken it away, at the end of the environment
  bool freed = false;                            // nobody holds the handle: whoever sees `completed` go deletes the runner
  int pending = 0;  // jobs whose completion JavaScript has not seen; only touched on its thread

 private:
  void serve() {
    std::unique_lock<std::mutex> hold(lock_);
    while (true) {
      ready_.wait(hold, [this] { return closed_ || !queue_.empty(); });
      if (closed_) return;
      std::unique_ptr<Job> job = std::move(queue_.front());
      queue_.pop_front();
      running_ = job.get();
      hold.unlock();
      job->outcome = engine.run(*job->program, job->slots.data(), &job->abort);
      job->failure = engine.failure();
      hold.lock();
      running_ = nullptr;
      if (closed_) return;
      Job* sent = job.release();
      if (napi_call_threadsafe_function(completed, sent, napi_tsfn_nonblocking) != napi_ok) delete sent;
    }
  }

  std::mutex lock_;
  std::condition_variable ready_;
  std::deque<std::unique_ptr<Job>> queue_;
  Job* running_ = nullptr;
  bool closed_ = false;
  std::thread thread_;  // last: it uses everything above
};

napi_value refuse(napi_env env, const std::string& what) {
  napi_throw_error(env, nullptr, what.c_str());
  return nullptr;
}

template <size_t N> bool arguments(napi_env env, napi_callback_info info, napi_value (&values)[N]) {
  size_t count = N;
  if (napi_get_cb_info(env, info, &count, values, nullptr, nullptr) == napi_ok && count == N) return true;
  refuse(env, "heed addon: expected " + std::to_string(N) + " arguments, but got " + std::to_string(count));
  return false;
}

template <class T> T* external(napi_env env, napi_value value) {
  void* data = nullptr;
  if (napi_get_value_external(env, value, &data) == napi_ok && data != nullptr) return static_cast<T*>(data);
  refuse(env, "heed addon: expected a handle");
  return nullptr;
}

bool floats(napi_env env, napi_value value, const double*& data, size_t& size) {
  napi_typedarray_type type;
  void* memory = nullptr;
  if (napi_get_typedarray_info(env, value, &type, &size, &memory, nullptr, nullptr) != napi_ok ||
      type != napi_float64_array) {
    refuse(env, "heed addon: expected a Float64Array");
    return false;
  }
  data = static_cast<const double*>(memory);
  return true;
}

napi_value number(napi_env env, double value) {
  napi_value made = nullptr;
  napi_create_double(env, value, &made);
  return made;
}

napi_value text(napi_env env, const char* value) {
  napi_value made = nullptr;
  napi_create_string_utf8(env, value, NAPI_AUTO_LENGTH, &made);
  return made;
}

// On the JavaScript thread: onDone(id, outcome, kernel, what, position, value, limit).
void complete(napi_env env, napi_value on_done, void* context, void* data) {
  std::unique_ptr<Job> job(static_cast<Job*>(data));
  if (env == nullptr) return;  // the environment is going away
  Runner* runner = static_cast<Runner*>(context);
  if (--runner->pending == 0) napi_unref_threadsafe_function(env, runner->completed);
  napi_value undefined = nullptr;
  napi_get_undefined(env, &undefined);
  if (job->outcome != Outcome::failed) {
    napi_value values[] = {number(env, job->id), number(env, double(job->outcome))};
    napi_call_function(env, undefined, on_done, 2, values, nullptr);
    return;
  }
  const Failure& failure = job->failure;
  napi_value values[] = {number(env, job->id),
                         number(env, double(job->outcome)),
                         text(env, failure.kernel),
                         text(env, failure.what),
                         number(env, double(failure.position)),
                         number(env, double(failure.value)),
                         number(env, double(failure.limit))};
  napi_call_function(env, undefined, on_done, 7, values, nullptr);
}

void close_runner(void* data) { static_cast<Runner*>(data)->close(); }

void free_runner(napi_env env, void* data, void*) {
  Runner* runner = static_cast<Runner*>(data);
  napi_remove_env_cleanup_hook(env, close_runner, runner);
  runner->close();
  if (runner->completed == nullptr) {
    delete runner;
    return;
  }
  runner->freed = true;
  napi_release_threadsafe_function(runner->completed, napi_tsfn_abort);
}

// At the end of an environment Node may take the threadsafe function before the handle, or after it.
void forget_completed(napi_env, void* data, void*) {
  Runner* runner = static_cast<Runner*>(data);
  runner->completed = nullptr;
  if (runner->freed) delete runner;
}

// open(threads, tier, onDone) -> engine; tier "" is the best one of this machine
napi_value open(napi_env env, napi_callback_info info) {
  napi_value values[3];
  if (!arguments(env, info, values)) return nullptr;
  int32_t threads = 0;
  if (napi_get_value_int32(env, values[0], &threads) != napi_ok || threads < 1 || threads > 1024)
    return refuse(env, "heed addon: expected 1 to 1024 threads");
  char name[32] = {};
  napi_get_value_string_utf8(env, values[1], name, sizeof name, nullptr);
  const Tier* tier = find_tier(name);
  if (tier == nullptr) return refuse(env, std::string("this machine does not run the instruction tier ") + name);
  auto runner = std::make_unique<Runner>(threads, *tier);
  if (napi_create_threadsafe_function(env, values[2], nullptr, text(env, "heed"), 0, 1, runner.get(), forget_completed,
                                      runner.get(), complete, &runner->completed) != napi_ok)
    return refuse(env, "heed addon: expected a function");
  napi_unref_threadsafe_function(env, runner->completed);
  napi_value made = nullptr;
  if (napi_create_external(env, runner.get(), free_runner, nullptr, &made) != napi_ok) {
    free_runner(env, runner.release(), nullptr);
    return refuse(env, "heed addon: no handle");
  }
  napi_add_env_cleanup_hook(env, close_runner, runner.get());
  runner.release();
  return made;
}

// describe(engine) -> [tier, bf16, ...names of the kernels it has]
napi_value describe(napi_env env, napi_callback_info info) {
  napi_value values[1];
  if (!arguments(env, info, values)) return nullptr;
  Runner* runner = external<Runner>(env, values[0]);
  if (runner == nullptr) return nullptr;
  const Tier& tier = runner->engine.tier();
  napi_value made = nullptr, bf16 = nullptr;
  napi_create_array(env, &made);
  napi_get_boolean(env, tier.bf16, &bf16);
  uint32_t next = 0;
  napi_set_element(env, made, next++, text(env, tier.name));
  napi_set_element(env, made, next++, bf16);
  for (int64_t kernel = 0; kernel < kernel_count; kernel++)
    if (tier.kernels[kernel] != nullptr) napi_set_element(env, made, next++, text(env, signatures[kernel].name));
  return made;
}

// allocate(bytes) -> ArrayBuffer, or null when there is no memory
napi_value allocate_buffer(napi_env env, napi_callback_info info) {
  napi_value values[1];
  if (!arguments(env, info, values)) return nullptr;
  double bytes = 0;
  if (napi_get_value_double(env, values[0], &bytes) != napi_ok || !(bytes >= 0) || bytes > 9007199254740992.0)
    return refuse(env, "heed addon: expected a number of bytes");
  const size_t size = size_t(bytes);
  napi_value made = nullptr;
  void* memory = heed::allocate(size);
  if (memory == nullptr) {
    napi_get_null(env, &made);
    return made;
  }
  const auto give_back = [](napi_env, void* data, void* hint) { release(data, size_t(reinterpret_cast<uintptr_t>(hint))); };
  if (napi_create_external_arraybuffer(env, memory, size, give_back, reinterpret_cast<void*>(uintptr_t(size)), &made) !=
      napi_ok) {
    release(memory, size);
    return refuse(env, "heed addon: this runtime does not allow external memory");
  }
  return made;
}

// address(ArrayBuffer) -> number
napi_value address(napi_env env, napi_callback_info info) {
  napi_value values[1];
  if (!arguments(env, info, values)) return nullptr;
  void* memory = nullptr;
  size_t size = 0;
  if (napi_get_arraybuffer_info(env, values[0], &memory, &size) != napi_ok)
    return refuse(env, "heed addon: expected an ArrayBuffer");
  return number(env, double(reinterpret_cast<uintptr_t>(memory)));
}

using ProgramHandle = std::shared_ptr<Program>;

// load(engine, words, slotBytes) -> program; throws what is wrong
napi_value load(napi_env env, napi_callback_info info) {
  napi_value values[3];
  if (!arguments(env, info, values)) return nullptr;
  Runner* runner = external<Runner>(env, values[0]);
  const double *words = nullptr, *slot_bytes = nullptr;
  size_t size = 0, slots = 0;
  if (runner == nullptr || !floats(env, values[1], words, size) || !floats(env, values[2], slot_bytes, slots))
    return nullptr;
  auto program = std::make_shared<Program>();
  const Message wrong = program->load(words, size, slot_bytes, slots, runner->engine.tier());
  if (!wrong.empty()) return refuse(env, wrong.text());
  auto handle = std::make_unique<ProgramHandle>(std::move(program));
  napi_value made = nullptr;
  const auto give_back = [](napi_env, void* data, void*) { delete static_cast<ProgramHandle*>(data); };
  if (napi_create_external(env, handle.get(), give_back, nullptr, &made) != napi_ok)
    return refuse(env, "heed addon: no handle");
  handle.release();
  return made;
}

// run(engine, program, id, addresses): addresses may be longer than the program has slots
napi_value run(napi_env env, napi_callback_info info) {
  napi_value values[4];
  if (!arguments(env, info, values)) return nullptr;
  Runner* runner = external<Runner>(env, values[0]);
  ProgramHandle* program = external<ProgramHandle>(env, values[1]);
  const double* addresses = nullptr;
  size_t size = 0;
  if (runner == nullptr || program == nullptr || !floats(env, values[3], addresses, size)) return nullptr;
  if (size < (*program)->slots()) return refuse(env, "heed addon: fewer addresses than slots");
  auto job = std::make_unique<Job>();
  napi_get_value_double(env, values[2], &job->id);
  job->program = *program;
  job->slots.resize((*program)->slots());
  for (size_t i = 0; i < job->slots.size(); i++) job->slots[i] = uint64_t(addresses[i]);
  if (runner->pending++ == 0) napi_ref_threadsafe_function(env, runner->completed);
  runner->push(std::move(job));
  return nullptr;
}

// abort(engine, id)
napi_value abort_run(napi_env env, napi_callback_info info) {
  napi_value values[2];
  if (!arguments(env, info, values)) return nullptr;
  Runner* runner = external<Runner>(env, values[0]);
  double id = 0;
  if (runner != nullptr && napi_get_value_double(env, values[1], &id) == napi_ok) runner->abort(id);
  return nullptr;
}

// profile(engine, on): starts or stops counting. nanoseconds(engine) -> [name, nanoseconds, ...] of the kernels that ran.
napi_value profile(napi_env env, napi_callback_info info) {
  napi_value values[2];
  if (!arguments(env, info, values)) return nullptr;
  Runner* runner = external<Runner>(env, values[0]);
  bool on = false;
  if (runner != nullptr && napi_get_value_bool(env, values[1], &on) == napi_ok) {
    if (runner->pending > 0) return refuse(env, "profile: expected no run in progress");
    runner->engine.profile(on);
  }
  return nullptr;
}

napi_value nanoseconds(napi_env env, napi_callback_info info) {
  napi_value values[1];
  if (!arguments(env, info, values)) return nullptr;
  Runner* runner = external<Runner>(env, values[0]);
  if (runner == nullptr) return nullptr;
  if (runner->pending > 0) return refuse(env, "profile: expected no run in progress");
  napi_value made = nullptr;
  napi_create_array(env, &made);
  uint32_t next = 0;
  const std::vector<double>& spent = runner->engine.nanoseconds();
  for (size_t kernel = 0; kernel < spent.size(); kernel++) {
    if (spent[kernel] == 0) continue;
    napi_set_element(env, made, next++, text(env, signatures[kernel].name));
    napi_set_element(env, made, next++, number(env, spent[kernel]));
  }
  return made;
}

// peak(kind, threads) -> number: see peak.h; takes about 0.1 s, in which JavaScript waits
napi_value peak(napi_env env, napi_callback_info info) {
  napi_value values[2];
  if (!arguments(env, info, values)) return nullptr;
  int32_t kind = 0, threads = 0;
  if (napi_get_value_int32(env, values[0], &kind) != napi_ok || napi_get_value_int32(env, values[1], &threads) != napi_ok ||
      threads < 1 || threads > 1024)
    return refuse(env, "heed addon: expected a kind and 1 to 1024 threads");
  return number(env, measure_peak(kind, threads));
}

}  // namespace

NAPI_MODULE_INIT() {
  const std::pair<const char*, napi_callback> functions[] = {
      {"open", open},       {"describe", describe}, {"allocate", allocate_buffer}, {"address", address},
      {"load", load},       {"run", run},           {"abort", abort_run},          {"profile", profile},
      {"nanoseconds", nanoseconds}, {"peak", peak}};
  for (const auto& [name, function] : functions) {
    napi_value made = nullptr;
    napi_create_function(env, name, NAPI_AUTO_LENGTH, function, nullptr, &made);
    napi_set_named_property(env, exports, name, made);
  }
  napi_set_named_property(env, exports, "table", text(env, table_text));
  return exports;
}
