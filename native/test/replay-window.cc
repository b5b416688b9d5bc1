// The window against a model that remembers every number it has taken, over many random sequences.
#include "esp/replay-window.h"

#include <random>
#include <set>

#include "test/test.h"

namespace gatehouse::test {

namespace {

using esp::ReplayWindow;
using esp::Taken;

/// RFC 4303 §3.4.3 in the plainest words.
class Model {
 public:
  explicit Model(std::uint64_t size) : size_(size) {}

  [[nodiscard]] bool check(std::uint64_t sequence) const {
    if (sequence == 0) return false;
    if (sequence > top_) return true;
    return top_ - sequence < size_ && !taken_.contains(sequence);
  }
  Taken commit(std::uint64_t sequence) {
    if (!check(sequence)) return Taken::refused;
    taken_.insert(sequence);
    const std::uint64_t top = top_;
    top_ = std::max(top_, sequence);
    // Old ones are of no interest, and would make the test slow.
    if (top_ > size_) taken_.erase(taken_.begin(), taken_.lower_bound(top_ - size_));
    return sequence < top ? Taken::late : top == 0 ? Taken::first : Taken::newest;
  }
  [[nodiscard]] std::uint64_t top() const { return top_; }

 private:
  std::uint64_t size_;
  std::uint64_t top_ = 0;
  std::set<std::uint64_t> taken_;
};

using Generator = std::mt19937_64;

std::uint64_t below(Generator& random, std::uint64_t limit) { return random() % limit; }

/// A number near the top, as networks and attackers send them: mostly neighbours, sometimes edges of the window and of blocks, seldom far away.
std::uint64_t nextNumber(Generator& random, std::uint64_t top, std::uint64_t size) {
  switch (below(random, 8)) {
    case 0: return top - std::min(top, below(random, size * 2));
    case 1: return top - std::min(top, size - 2 + below(random, 5));
    case 2: return top + 1 + below(random, 70);
    case 3: return top + below(random, size * 3);
    case 4: return (top | 63) + below(random, 3);
    case 5: return below(random, 50) == 0 ? top + (std::uint64_t{1} << (10 + below(random, 24))) : top;
    default: return top + 1;
  }
}

}  // namespace

TEST("replay window: agrees with a model over random sequences, for windows of every size") {
  Generator random(20240601);
  for (int round = 0; round < 400; ++round) {
    const auto size = static_cast<std::uint32_t>(32 + below(random, round % 2 == 0 ? 200 : 4065));
    ReplayWindow window(size, true);
    CHECK_EQUAL(window.size(), size);
    Model model(size);
    for (int i = 0; i < 3000; ++i) {
      const std::uint64_t sequence = nextNumber(random, model.top(), size);
      CHECK_EQUAL(window.check(sequence), model.check(sequence));
      if (below(random, 10) != 0) CHECK_EQUAL(window.commit(sequence), model.commit(sequence));
      CHECK_EQUAL(window.top(), model.top());
    }
  }
}

TEST("replay window: sizes are brought into 32 to 4096") {
  CHECK_EQUAL(ReplayWindow(0, false).size(), 32U);
  CHECK_EQUAL(ReplayWindow(1024, false).size(), 1024U);
  CHECK_EQUAL(ReplayWindow(100000, false).size(), 4096U);
}

TEST("replay window: number 0 is never taken, the last of the window is, the one behind it is not") {
  ReplayWindow window(64, false);
  CHECK(!window.check(0));
  CHECK_EQUAL(window.commit(100), Taken::first);
  CHECK(window.check(37));
  CHECK(!window.check(36));
  CHECK_EQUAL(window.commit(37), Taken::late);
  CHECK_EQUAL(window.commit(37), Taken::refused);
  CHECK_EQUAL(window.commit(36), Taken::refused);
  CHECK_EQUAL(window.commit(101), Taken::newest);
  CHECK_EQUAL(window.commit(0xffffffff), Taken::newest);
  CHECK(!window.check(101));
}

TEST("ESN: the high half is inferred as RFC 4303 appendix A2.1 says, in both cases, at the edges") {
  const auto at = [](std::uint64_t top, std::uint32_t low) {
    ReplayWindow window(64, true);
    if (top != 0) CHECK(window.commit(top) != Taken::refused);
    return window.infer(low);
  };
  // Nothing received: the first subspace, wherever the number lies.
  CHECK_EQUAL(at(0, 1), 1U);
  CHECK_EQUAL(at(0, 0xffffffff), 0xffffffffU);
  // Case A: the window lies in one subspace. Its left edge is 937 here.
  CHECK_EQUAL(at(0x5'000003e8, 1000), 0x5'000003e8U);
  CHECK_EQUAL(at(0x5'000003e8, 937), 0x5'000003a9U);
  CHECK_EQUAL(at(0x5'000003e8, 936), 0x6'000003a8U);
  CHECK_EQUAL(at(0x5'000003e8, 0xffffffff), 0x5'ffffffffU);
  CHECK_EQUAL(at(0x5'0000003f, 0), 0x5'00000000U);
  // Case B: the window spans two subspaces. Its left edge is 0xffffffcb of the one before.
  CHECK_EQUAL(at(0x5'0000000a, 11), 0x5'0000000bU);
  CHECK_EQUAL(at(0x5'0000000a, 0xffffffff), 0x4'ffffffffU);
  CHECK_EQUAL(at(0x5'0000000a, 0xffffffcb), 0x4'ffffffcbU);
  CHECK_EQUAL(at(0x5'0000000a, 0xffffffca), 0x5'ffffffcaU);
  // There is nothing before the first subspace and nothing behind the last.
  CHECK_EQUAL(at(0xa, 0xffffffff), 0xffffffffU);
  CHECK_EQUAL(at(0xffffffff'fffffff0, 5), 0U);
  // Without ESN the low half is all.
  ReplayWindow plain(64, false);
  CHECK_EQUAL(plain.infer(0xffffffff), 0xffffffffU);
}

TEST("ESN: every number within the window, and up to 2^31 ahead, is inferred rightly while the low half rolls over") {
  Generator random(7);
  for (int round = 0; round < 200; ++round) {
    const auto size = static_cast<std::uint32_t>(32 + below(random, 4065));
    ReplayWindow window(size, true);
    Model model(size);
    std::uint64_t sent = (std::uint64_t{1 + below(random, 3)} << 32) - below(random, 5000);
    CHECK(window.commit(sent) != Taken::refused);
    model.commit(sent);
    for (int i = 0; i < 500; ++i) {
      sent += below(random, 50) == 0 ? below(random, 0x7fffffff) : below(random, 40);
      const std::uint64_t late = sent - below(random, size);
      const std::uint64_t number =
          below(random, 3) == 0 && model.top() >= late && model.top() - late < size ? late : sent;
      CHECK_EQUAL(window.infer(static_cast<std::uint32_t>(number)), number);
      CHECK_EQUAL(window.commit(number), model.commit(number));
    }
  }
}

}  // namespace gatehouse::test
