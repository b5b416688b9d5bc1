#include "linux/unused-memory.h"

#include <sstream>

#include "test/test.h"

namespace gatehouse::test {
namespace {

const char* const text = R"(55d0c0000000-55d0c0100000 r--p 00000000 fe:00 1234                       /usr/bin/node
Size:               1024 kB
Rss:                1024 kB
Private_Dirty:         0 kB
Anonymous:             0 kB
VmFlags: rd mr mw me
55d0c0100000-55d0c0300000 r-xp 00100000 fe:00 1234                       /usr/bin/node
Rss:                2048 kB
Private_Clean:      2048 kB
Private_Dirty:         0 kB
55d0c0300000-55d0c0301000 r--p 00300000 fe:00 1234                       /usr/bin/node
Private_Dirty:         8 kB
55d0c0301000-55d0c0302000 r--p 00301000 fe:00 1234                       /usr/bin/node
Private_Dirty:         0 kB
Anonymous:             4 kB
55d0c0302000-55d0c0303000 rw-p 00302000 fe:00 1234                       /usr/bin/node
Private_Dirty:         0 kB
55d0c0303000-55d0c0304000 r-xp 00000000 00:00 0
Private_Dirty:         0 kB
7ffd00000000-7ffd00001000 r-xp 00000000 00:00 0                          [vdso]
Private_Dirty:         0 kB
7fff00000000-7fff00001000 r--s 00000000 fe:00 99                         /var/cache/some file
Private_Dirty:         0 kB
)";

TEST("unused memory: files' pages that can't be written to and never were, nothing else") {
  std::istringstream smaps(text);
  const auto found = os::untouchedFiles(smaps);
  CHECK_EQUAL(found.size(), size_t{2});
  CHECK_EQUAL(show(found.at(0).from), "0x55d0c0000000");
  CHECK_EQUAL(found.at(0).length, size_t{0x100000});
  CHECK_EQUAL(show(found.at(1).from), "0x55d0c0100000");
  CHECK_EQUAL(found.at(1).length, size_t{0x200000});
  std::istringstream nothing;
  CHECK(os::untouchedFiles(nothing).empty());
}

TEST("unused memory: this program goes on after its own code was given back") {
  CHECK(os::releaseUnusedMemory() > 0);
  CHECK(os::releaseUnusedMemory() > 0);
}

}  // namespace
}  // namespace gatehouse::test
