// Runs the tests of the core: all, or those whose name contains an argument. `--list` names them.
#include <chrono>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <mutex>

#include "test/test.h"

namespace gatehouse::test {

namespace {

struct State {
  std::vector<std::string> failures;
  std::string skipped;
  std::string about;
};

State& current() {
  static State state;
  return state;
}

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::vector<Test>& tests() {
  static std::vector<Test> all;
  return all;
}

void fail(const char* file, int line, const std::string& what) {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  // A test that fails in a loop shows its first failures only.
  auto& failures = current().failures;
  const std::string with = current().about.empty() ? "" : "with " + current().about + ": ";
  if (failures.size() < 5) failures.push_back(std::string(file) + ":" + std::to_string(line) + ": " + with + what);
}

void about(const std::string& what) { current().about = what; }

void skip(const std::string& why) { current().skipped = why; }

std::string capturesFolder() {
  for (std::filesystem::path folder = std::filesystem::path(__FILE__).parent_path(); folder.has_relative_path();
       folder = folder.parent_path()) {
    const auto candidate = folder / "shared" / "captures";
    if (std::filesystem::is_directory(candidate)) return candidate.string();
  }
  return {};
}

Octets fromHex(std::string_view hex) {
  Octets octets;
  int high = -1;
  for (const char c : hex) {
    if (c == ' ' || c == '\n') continue;
    const int value = digit(c);
    if (value < 0) {
      fail(__FILE__, __LINE__, std::string("not hexadecimal: ") + std::string(hex));
      return {};
    }
    if (high < 0) {
      high = value;
    } else {
      octets.push_back(static_cast<std::uint8_t>(high * 16 + value));
      high = -1;
    }
  }
  if (high >= 0) fail(__FILE__, __LINE__, std::string("half an octet at the end: ") + std::string(hex));
  return octets;
}

std::string toHex(const std::uint8_t* data, std::size_t length) {
  constexpr char digits[] = "0123456789abcdef";
  std::string hex;
  for (std::size_t i = 0; i < length; ++i) {
    hex += digits[data[i] >> 4];
    hex += digits[data[i] & 15];
  }
  return hex;
}

}  // namespace gatehouse::test

int main(int argc, char** argv) {
  using namespace gatehouse::test;
  const char* wanted = argc > 1 ? argv[1] : "";
  if (std::strcmp(wanted, "--list") == 0) {
    for (const Test& test : tests()) std::printf("%s\n", test.name);
    return 0;
  }
  int passed = 0;
  int failed = 0;
  int skipped = 0;
  for (const Test& test : tests()) {
    if (std::strstr(test.name, wanted) == nullptr) continue;
    current() = {};
    const auto begin = std::chrono::steady_clock::now();
    try {
      test.run();
    } catch (const std::exception& error) {
      fail(test.name, 0, std::string("threw ") + error.what());
    }
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    if (!current().failures.empty()) {
      ++failed;
      std::printf("FAILED  %s\n", test.name);
      for (const std::string& failure : current().failures) std::printf("    %s\n", failure.c_str());
    } else if (!current().skipped.empty()) {
      ++skipped;
      std::printf("skipped %s: %s\n", test.name, current().skipped.c_str());
    } else {
      ++passed;
      std::printf("ok      %s (%.2f s)\n", test.name, seconds);
    }
    std::fflush(stdout);
  }
  std::printf("%d passed, %d failed", passed, failed);
  if (skipped != 0) std::printf(", %d skipped", skipped);
  std::printf("\n");
  return failed == 0 && passed != 0 ? 0 : 1;
}
