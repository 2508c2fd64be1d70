#pragma once
/// \file
/// What a long run shows while it lasts, and how it is ended early.

#include <chrono>
#include <string>

namespace unroll {

/// Makes Ctrl-C (and SIGTERM) a wish: `interrupted()` becomes true and the program ends when it likes; `fit` saves and
/// stops. A second Ctrl-C ends it at once.
///
/// To be called once, first thing in main: threads that were started before would run the handler too, and oneDNN's
/// matrix products move the stack pointer to where no handler may run.
void catch_interrupts();
/// Whether Ctrl-C was pressed.
bool interrupted();

/// Seconds as people write them: "48 s", "3 min 20 s", "1 h 05 min".
std::string duration_text(double seconds);

/// A bar for work of known length, on stderr: share done, a text of the caller's, items a second, time left.
///
///     [=========>                    ]  31 %  epoch 3/10  loss 1.523  48.1k characters/s  52 s left
///
/// On a terminal the line is redrawn in place, at most ten times a second, cut to the terminal's width.
/// Elsewhere (a file, a pipe) a plain line is printed every tenth of the work, and at most one in five seconds.
class Progress {
 public:
  /// `total` items of work; `unit` names them in the plural.
  Progress(double total, std::string unit);
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Says how many items an earlier run has done, and in how many seconds.
  void start_at(double done, double seconds);
  /// `done` items are through; `text` says how it goes.
  void show(double done, const std::string& text);
  /// The same without showing it, for rate().
  void count(double done) { done_ = done; }
  /// Takes the bar off the terminal, so that something can be printed; the next show() brings it back.
  void clear();
  /// Leaves the time until resume() out of the speed.
  void pause();
  void resume();

  /// The line as it is shown, for a speed of `rate` items a second.
  static std::string line(double done, double total, double rate, const std::string& unit, const std::string& text);

  /// Items a second so far, pauses left out.
  double rate() const;
  /// Seconds so far, pauses left out.
  double seconds() const;

 private:
  using Clock = std::chrono::steady_clock;

  double total_, done_ = 0, shown_share_ = -1;
  std::string unit_;
  bool terminal_;
  bool drawn_ = false;
  bool paused_ = false;
  Clock::time_point running_since_ = Clock::now(), shown_at_ = Clock::now();
  double seconds_before_ = 0;
};

}  // namespace unroll
