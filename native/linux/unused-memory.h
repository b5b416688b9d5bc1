// What a start needed and nobody needs again: code and tables of a program file that were looked at once, and what the allocator keeps.
#pragma once

#include <cstddef>
#include <istream>
#include <vector>

namespace gatehouse::os {

struct Mapping {
  void* from;
  std::size_t length;
};

/// Of a text as /proc/PID/smaps is (proc(5)): mappings of files that can't be written to, and of which no page differs from its file.
std::vector<Mapping> untouchedFiles(std::istream& smaps);

/// Gives the pages of such mappings of this process back, and what malloc() has to spare. What is used again comes back from the page cache, some microseconds each
/// 64 KiB. Gives the octets that were mapped in such files' places; 0 where /proc isn't there.
std::size_t releaseUnusedMemory();

}  // namespace gatehouse::os
