// When to let packets gather. A waking of a worker costs as much as reading ten packets, so where small packets come faster than a worker falls asleep, it stays
// away for a moment, as a network card holds its interrupts back (docs/performance.md, "Small packets"). A stream of acknowledgements, which a pause would only
// delay, is left alone.
#pragma once

namespace gatehouse::pipeline {

class Moderation {
 public:
  /// To be called by the thread that will pause: the kernel adds 50 us to each of its pauses otherwise.
  static void prepareThread();

  /// What a look at the queue found: `count` packets; `small`: each of them, and none was left behind.
  void turn(unsigned count, bool small) {
    if (paused_ && count < worth) rest_ = restTurns;
    if (rest_ > 0) rest_ -= 1;
    paused_ = false;
    due_ = small && count >= crowd && rest_ == 0;
  }

  /// Sleeps if the last turn was worth it, once for a turn; says whether it was.
  bool pauseIfDue();

 private:
  /// Far below what a person or TCP's clock notices, and longer than several wakings.
  static constexpr long pauseNanoseconds = 50'000;
  /// So many waiting together after a waking are a flood, perhaps.
  static constexpr unsigned crowd = 2;
  /// So many waiting together after a pause are one.
  static constexpr unsigned worth = 10;
  /// Turns before another pause is tried.
  static constexpr unsigned restTurns = 1000;

  bool due_ = false;
  bool paused_ = false;
  unsigned rest_ = 0;
};

}  // namespace gatehouse::pipeline
