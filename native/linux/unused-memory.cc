#include "linux/unused-memory.h"

#include <malloc.h>
#include <sys/mman.h>

#include <fstream>
#include <optional>
#include <sstream>
#include <string>

namespace gatehouse::os {
namespace {

/// `FROM-TO PERMISSIONS OFFSET DEVICE INODE PATH`: a file's that can't be written to.
std::optional<Mapping> headOf(const std::string& line) {
  std::istringstream words(line);
  void* from = nullptr;
  void* to = nullptr;
  char dash = 0;
  std::string permissions;
  std::string offset;
  std::string device;
  std::string inode;
  std::string path;
  if (!(words >> from >> dash >> to >> permissions >> offset >> device >> inode >> path)) return {};
  const bool readOnly = permissions == "r-xp" || permissions == "r--p";
  if (!readOnly || dash != '-' || !path.starts_with('/')) return {};
  return Mapping{from, static_cast<std::size_t>(static_cast<char*>(to) - static_cast<char*>(from))};
}

bool isHead(const std::string& line) { return line.find('-') < line.find(' ') && line.find(':') > line.find(' '); }

/// `Name:   number kB` with a number above 0, of what a mapping has for itself.
bool saysChanged(const std::string& line) {
  for (const char* name : {"Private_Dirty:", "Shared_Dirty:", "Anonymous:", "Swap:", "Locked:"}) {
    if (line.starts_with(name)) return std::stoull(line.substr(std::string(name).size())) != 0;
  }
  return false;
}

}  // namespace

std::vector<Mapping> untouchedFiles(std::istream& smaps) {
  std::vector<Mapping> found;
  std::optional<Mapping> current;
  const auto take = [&] {
    if (current) found.push_back(*current);
    current.reset();
  };
  for (std::string line; std::getline(smaps, line);) {
    if (isHead(line)) {
      take();
      current = headOf(line);
    } else if (saysChanged(line)) {
      current.reset();
    }
  }
  take();
  return found;
}

std::size_t releaseUnusedMemory() {
  std::ifstream smaps("/proc/self/smaps");
  std::size_t released = 0;
  for (const Mapping& mapping : untouchedFiles(smaps)) {
    if (::madvise(mapping.from, mapping.length, MADV_DONTNEED) == 0) released += mapping.length;
  }
  ::malloc_trim(0);
  return released;
}

}  // namespace gatehouse::os
