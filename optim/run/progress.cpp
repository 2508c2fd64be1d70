#include "progress.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <thread>

namespace unroll {

namespace {

std::atomic<bool> interrupt_wished = false;

std::size_t terminal_width() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

std::string number_text(double x) {
  char text[32];
  if (x >= 1e6) {
    std::snprintf(text, sizeof text, "%.1fM", x / 1e6);
  } else if (x >= 1e3) {
    std::snprintf(text, sizeof text, "%.1fk", x / 1e3);
  } else {
    std::snprintf(text, sizeof text, "%.0f", x);
  }
  return text;
}

}  // namespace

void catch_interrupts() {
  // The signal is kept away from this thread and those it starts, and so from matrix products: oneDNN's gemm points
  // the stack pointer into a buffer on the heap meanwhile, and a handler that runs there writes over its neighbours.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  struct sigaction action {};
  action.sa_handler = [](int) { interrupt_wished = true; };
  action.sa_flags = static_cast<int>(SA_RESETHAND);  // the second one is not caught
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  std::thread([signals] {
    pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
    for (;;) pause();
  }).detach();
}

bool interrupted() { return interrupt_wished; }

std::string duration_text(double seconds) {
  if (!(seconds >= 0) || seconds > 1e8) return "?";
  const long s = std::lround(seconds);
  char text[64];
  if (s < 60) {
    std::snprintf(text, sizeof text, "%ld s", s);
  } else if (s < 3600) {
    std::snprintf(text, sizeof text, "%ld min %02ld s", s / 60, s % 60);
  } else {
    std::snprintf(text, sizeof text, "%ld h %02ld min", s / 3600, s % 3600 / 60);
  }
  return text;
}

Progress::Progress(double total, std::string unit)
    : total_(total), unit_(std::move(unit)), terminal_(isatty(STDERR_FILENO) == 1) {}

std::string Progress::line(double done, double total, double rate, const std::string& unit, const std::string& text) {
  const double share = total > 0 ? std::clamp(done / total, 0.0, 1.0) : 1;
  const std::size_t width = 24, full = static_cast<std::size_t>(share * width);
  std::string bar(width, ' ');
  std::fill_n(bar.begin(), full, '=');
  if (full < width) bar[full] = '>';
  char percent[16];
  std::snprintf(percent, sizeof percent, "%3.0f %%", 100 * share);
  return "[" + bar + "] " + percent + "  " + text + "  " + number_text(rate) + " " + unit + "/s  " +
         duration_text(rate > 0 ? (total - done) / rate : -1) + " left";
}

void Progress::start_at(double done, double seconds) {
  done_ = done;
  seconds_before_ = seconds;
}

void Progress::show(double done, const std::string& text) {
  done_ = done;
  const auto now = Clock::now();
  const double since = std::chrono::duration<double>(now - shown_at_).count();
  const double share = total_ > 0 ? done / total_ : 1;
  if (terminal_ ? drawn_ && since < 0.1 : since < 5 || share < shown_share_ + 0.1) return;
  shown_at_ = now;
  shown_share_ = share;
  std::string shown = line(done, total_, rate(), unit_, text);
  if (!terminal_) {
    std::fprintf(stderr, "%s\n", shown.c_str());
    return;
  }
  shown.resize(std::min(shown.size(), terminal_width() - 1));
  std::fprintf(stderr, "\r\033[K%s", shown.c_str());
  std::fflush(stderr);
  drawn_ = true;
}

void Progress::clear() {
  if (drawn_) std::fputs("\r\033[K", stderr);
  drawn_ = false;
}

void Progress::pause() {
  seconds_before_ = seconds();
  paused_ = true;
}

void Progress::resume() {
  running_since_ = Clock::now();
  paused_ = false;
}

double Progress::seconds() const {
  if (paused_) return seconds_before_;
  return seconds_before_ + std::chrono::duration<double>(Clock::now() - running_since_).count();
}

double Progress::rate() const {
  const double s = seconds();
  return s > 0 ? done_ / s : 0;
}

}  // namespace unroll
