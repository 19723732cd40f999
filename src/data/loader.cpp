// Walking over a dataset: a worker thread copies rows ahead, the caller's thread prepares them.
#include <sched.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>

#include "base/count.h"
#include "base/error.h"
#include "data/state.h"
#include "varve/dataset.h"

namespace varve {
namespace {

// Our programs pin the main thread to one processor; a thread inherits that, and would fight it.
void run_anywhere() {
  cpu_set_t all;
  CPU_ZERO(&all);
  for (int i = 0; i < CPU_SETSIZE; ++i) CPU_SET(i, &all);
  sched_setaffinity(0, sizeof all, &all);  // the kernel keeps what the process may use
}

// Makes batches [first, count) of one epoch ahead of their use, at most `depth` at a time.
class Worker {
 public:
  Worker(const Dataset& dataset, std::vector<int64_t> order, int64_t batch_size, int64_t first,
         int64_t count, int64_t depth)
      : dataset_(dataset),
        order_(std::move(order)),
        batch_size_(batch_size),
        next_(first),
        count_(count),
        depth_(static_cast<size_t>(depth)) {
    if (depth > 0) thread_ = std::thread([this] { work(); });
  }
  ~Worker() {
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  Batch take() {
    if (depth_ == 0) return make(next_++);
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !ready_.empty() || error_; });
    if (ready_.empty()) std::rethrow_exception(error_);
    Batch b = std::move(ready_.front());
    ready_.pop_front();
    lock.unlock();
    changed_.notify_all();
    return b;
  }

 private:
  Batch make(int64_t i) const {
    const auto begin = static_cast<size_t>(i * batch_size_);
    const size_t end = std::min(begin + static_cast<size_t>(batch_size_), order_.size());
    return dataset_.stored_batch(std::span(order_).subspan(begin, end - begin));
  }
  void work() {
    run_anywhere();
    try {
      while (next_ < count_) {
        Batch b = make(next_++);
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return ready_.size() < depth_ || stop_; });
        if (stop_) return;
        ready_.push_back(std::move(b));
        lock.unlock();
        changed_.notify_all();
      }
    } catch (...) {
      std::lock_guard lock(mutex_);
      error_ = std::current_exception();
      changed_.notify_all();
    }
  }

  const Dataset dataset_;
  const std::vector<int64_t> order_;
  const int64_t batch_size_;
  int64_t next_;
  const int64_t count_;
  const size_t depth_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Batch> ready_;
  std::exception_ptr error_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace

namespace detail {

struct LoaderState {
  Dataset dataset;
  LoaderOptions options;
  Loader::Position position;  // of the batch that comes after the current one
  std::unique_ptr<Worker> worker;
  Batch current;

  int64_t batches() const {
    const int64_t n = dataset.size(), b = options.batch_size;
    return options.drop_last ? n / b : (n + b - 1) / b;
  }
  std::vector<int64_t> order(int64_t epoch) const {
    return data::positions_of(dataset.size(), options.shuffle, options.seed,
                              static_cast<uint64_t>(epoch));
  }
  void fetch() {
    current = worker->take();
    current.inputs = dataset.prepare(current.inputs);
    if (++position.batch == batches()) position = {position.epoch + 1, 0};
  }
};

}  // namespace detail

Loader::Loader(const Dataset& dataset, LoaderOptions options)
    : state_(std::make_shared<detail::LoaderState>()) {
  if (options.batch_size < 1) {
    throw ValueError("loader: batch_size: expected at least 1, got " +
                     std::to_string(options.batch_size.value));
  }
  if (options.prefetch < 0) {
    throw ValueError("loader: prefetch: expected at least 0, got " +
                     std::to_string(options.prefetch.value));
  }
  if (options.drop_last && dataset.size() < options.batch_size) {
    throw ValueError("loader: 0 batches per epoch: " + count_of(dataset.size(), "example") +
                         ", batch_size " + std::to_string(options.batch_size.value) +
                         ", and the last one is dropped",
                     "make batch_size smaller");
  }
  state_->dataset = dataset;
  state_->options = options;
}

int64_t Loader::size() const { return state_->batches(); }
Loader::Position Loader::position() const { return state_->position; }
std::vector<int64_t> Loader::order(int64_t epoch) const { return state_->order(epoch); }

void Loader::seek(Position position) {
  if (position.epoch < 0 || position.batch < 0 || position.batch >= std::max<int64_t>(size(), 1)) {
    throw IndexError("loader: seek: batch " + std::to_string(position.batch) + " of " +
                     std::to_string(size()) + " in epoch " + std::to_string(position.epoch));
  }
  state_->worker.reset();
  state_->position = position;
}

Loader::iterator Loader::begin() {
  detail::LoaderState& s = *state_;
  s.worker.reset();
  if (s.batches() == 0) return end();
  s.worker = std::make_unique<Worker>(s.dataset, s.order(s.position.epoch), s.options.batch_size,
                                      s.position.batch, s.batches(), s.options.prefetch);
  s.fetch();
  return iterator(&s);
}

const Batch& Loader::iterator::operator*() const { return loader_->current; }

Loader::iterator& Loader::iterator::operator++() {
  if (loader_->position.batch == 0) {  // what was current ended its epoch
    loader_->worker.reset();
    loader_->current = {};
    loader_ = nullptr;
  } else {
    loader_->fetch();
  }
  return *this;
}

}  // namespace varve
