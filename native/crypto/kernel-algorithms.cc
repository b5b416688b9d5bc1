#include "crypto/kernel-algorithms.h"

#include <charconv>
#include <fstream>
#include <sstream>

namespace gatehouse::crypto {

namespace {

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

std::int32_t number(std::string_view text) {
  std::int32_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

void take(KernelAlgorithm& algorithm, std::string_view key, std::string_view value) {
  if (key == "name") algorithm.name = value;
  if (key == "driver") {
    algorithm.driver = value;
    algorithm.instance = value.find('(') != std::string_view::npos;
  }
  if (key == "module") algorithm.module = value;
  if (key == "type") algorithm.type = value;
  if (key == "priority") algorithm.priority = number(value);
  if (key == "refcnt") algorithm.references = number(value);
  if (key == "selftest") algorithm.selfTestPassed = value == "passed";
  if (key == "internal") algorithm.internal = value == "yes";
  if (key == "async") algorithm.asynchronous = value == "yes";
}

}  // namespace

std::vector<KernelAlgorithm> parseProcCrypto(std::string_view text) {
  std::vector<KernelAlgorithm> all;
  KernelAlgorithm current;
  const auto end = [&] {
    if (!current.name.empty() && !current.driver.empty() && current.type != "larval") all.push_back(current);
    current = {};
  };
  while (!text.empty()) {
    const std::size_t length = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, length);
    text.remove_prefix(std::min(length + 1, text.size()));
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) {
      if (trimmed(line).empty()) end();
      continue;
    }
    take(current, trimmed(line.substr(0, colon)), trimmed(line.substr(colon + 1)));
  }
  end();
  return all;
}

std::vector<KernelAlgorithm> readProcCrypto() {
  const std::ifstream file("/proc/crypto");
  std::ostringstream text;
  text << file.rdbuf();
  return parseProcCrypto(text.str());
}

const KernelAlgorithm* choose(const std::vector<KernelAlgorithm>& algorithms, std::string_view name) {
  const KernelAlgorithm* best = nullptr;
  for (const KernelAlgorithm& algorithm : algorithms) {
    if (!algorithm.selfTestPassed || algorithm.internal) continue;
    if (algorithm.driver == name) return &algorithm;
    if (algorithm.name == name && (best == nullptr || algorithm.priority > best->priority)) best = &algorithm;
  }
  return best;
}

}  // namespace gatehouse::crypto
