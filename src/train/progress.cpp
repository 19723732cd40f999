// What fit shows: a bar on a terminal, else one line an epoch.
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "varve/model.h"

namespace varve::callbacks {
namespace {

// A person reads no more than a few changes a second, and each costs reading the metrics.
constexpr double kSecondsBetween = 0.1;

std::string time_text(double seconds) {
  const auto s = static_cast<int64_t>(seconds + 0.5);
  if (s < 60) return fmt::format("{}s", s);
  if (s < 3600) return fmt::format("{}:{:02}", s / 60, s % 60);
  return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
}

std::string number_text(double v) {
  const double magnitude = v < 0 ? -v : v;
  return magnitude != 0 && (magnitude < 1e-3 || magnitude >= 1e5) ? fmt::format("{:.2e}", v)
                                                                  : fmt::format("{:.4f}", v);
}

std::string logs_text(const Logs& logs) {
  std::string out;
  for (const auto& [name, value] : logs) {
    if (name != "learning_rate") out += fmt::format("  {} {}", name, number_text(value));
  }
  return out;
}

class Show final : public Callback {
 public:
  Show() : terminal_(isatty(STDOUT_FILENO) == 1) {}

  void on_epoch_begin(TrainState&) override { shown_ = -1; }
  void on_batch_end(TrainState& s) override {
    if (!terminal_) return;
    const double now = s.seconds();
    if (shown_ >= 0 && now - shown_ < kSecondsBetween && s.batch() + 1 < s.batches()) return;
    shown_ = now;
    draw(s);
  }
  void on_epoch_end(TrainState& s) override {
    if (terminal_) std::fputs("\r\x1b[K", stdout);
    std::printf("Epoch %s/%s  %s  %.0f samples/s%s\n", std::to_string(s.epoch() + 1).c_str(),
                std::to_string(s.epochs()).c_str(), time_text(s.seconds()).c_str(),
                s.samples_per_second(), logs_text(s.logs()).c_str());
    std::fflush(stdout);
  }
  void on_train_end(TrainState& s) override {
    if (!s.why_stopped().empty()) std::printf("Stopped: %s\n", s.why_stopped().c_str());
    std::fflush(stdout);
  }

 private:
  static size_t width() {
    winsize w{};
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0 ? w.ws_col : 80;
  }
  static void draw(const TrainState& s) {
    const int64_t done = s.batch() + 1, all = s.batches();
    // A narrow terminal has room for the numbers rather than for the bar.
    const int64_t bar = width() < 100 ? 10 : 20;
    const auto filled = static_cast<size_t>(bar * done / all);
    const double left = s.seconds() / static_cast<double>(done) * static_cast<double>(all - done);
    std::string line = fmt::format("Epoch {}/{}  {}/{} [{}{}] {:.0f} samples/s  ETA {}{}",
                                   s.epoch() + 1, s.epochs(), done, all, std::string(filled, '='),
                                   std::string(static_cast<size_t>(bar) - filled, ' '),
                                   s.samples_per_second(), time_text(left), logs_text(s.logs()));
    // A line that wraps could not be drawn over.
    if (line.size() >= width()) {
      line.resize(width() - 1);
      if (const size_t gap = line.rfind("  "); gap != line.npos) line.resize(gap);
    }
    std::printf("\r\x1b[K%s", line.c_str());
    std::fflush(stdout);
  }

  bool terminal_;
  double shown_ = -1;
};

}  // namespace

std::shared_ptr<Callback> Progress::make() const { return std::make_shared<Show>(); }

}  // namespace varve::callbacks
