#include "pipeline/moderation.h"

#include <sys/prctl.h>

#include <ctime>

namespace gatehouse::pipeline {

void Moderation::prepareThread() { ::prctl(PR_SET_TIMERSLACK, 1); }

bool Moderation::pauseIfDue() {
  if (!due_) return false;
  due_ = false;
  paused_ = true;
  const timespec pause{0, pauseNanoseconds};
  ::clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, nullptr);
  return true;
}

}  // namespace gatehouse::pipeline
