// A network of a test's own, which goes with the thread that is in it.
#pragma once

#include <sched.h>

#include <string>
#include <thread>

#include "linux/open-error.h"
#include "test/test.h"

namespace gatehouse::test {

/// Runs `body` in a new network namespace; where there can be none, or a device can't be opened in it, the test is skipped, with the reason.
template <typename Body>
void inScratchNamespace(Body&& body) {
  std::string why;
  std::thread([&] {
    if (::unshare(CLONE_NEWNET) != 0) {
      why = "a network namespace takes root";
      return;
    }
    try {
      body();
    } catch (const os::OpenError& error) {
      why = error.what();
    }
  }).join();
  if (!why.empty()) skip(why);
}

}  // namespace gatehouse::test
