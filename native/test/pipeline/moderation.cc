#include "pipeline/moderation.h"

#include "test/test.h"

namespace gatehouse::test {
namespace {

using pipeline::Moderation;

/// Turns with so many packets in them; gives how many pauses there were.
unsigned pausesOf(Moderation& moderation, unsigned turns, unsigned count, bool small = true) {
  unsigned pauses = 0;
  for (unsigned i = 0; i < turns; i++) {
    moderation.turn(count, small);
    if (moderation.pauseIfDue()) pauses += 1;
  }
  return pauses;
}

TEST("moderation: a flood of small packets is let gather each turn, once") {
  Moderation moderation;
  CHECK(pausesOf(moderation, 100, 20) == 100);
  CHECK(!moderation.pauseIfDue());
}

TEST("moderation: packets that come one at a time, and super-packets, never wait") {
  Moderation moderation;
  CHECK(pausesOf(moderation, 100, 1) == 0);
  CHECK(pausesOf(moderation, 100, 0) == 0);
  CHECK(pausesOf(moderation, 100, 20, false) == 0);
}

TEST("moderation: where a pause gathers little there is none for a thousand turns") {
  Moderation moderation;
  CHECK(pausesOf(moderation, 1000, 3) == 1);
  CHECK(pausesOf(moderation, 1000, 3) == 1);
  // Other work between the turns: the pause was for the turn before it.
  moderation.turn(20, true);
  CHECK(pausesOf(moderation, 1000, 20) > 0);
}

}  // namespace
}  // namespace gatehouse::test
