// The plane's view of the holder (holder/holder.h): a failure is counted by being said once on stderr, and costs the sessions at the next crash, not now.
#include "kernel/holder.h"

#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include "holder/holder.h"
#include "linux/open-error.h"

namespace gatehouse::kernel {

namespace {

class Held final : public Holder {
 public:
  explicit Held(std::unique_ptr<holder::Holder> holder) : holder_(std::move(holder)) {}

  void put(const std::string& name, int descriptor) override {
    attempt([&] { holder_->put(name, descriptor); });
  }

  void remove(const std::string& name) override {
    attempt([&] { holder_->remove(name); });
  }

  /// Names that are not the plane's (`journal-key`) are left out: what it does not know it must not remove.
  std::map<std::string, os::File> list() override {
    std::map<std::string, os::File> all;
    attempt([&] {
      for (holder::Held& held : holder_->list()) {
        if (held.name != holder::journalKey) all.insert_or_assign(std::move(held.name), std::move(held.file));
      }
    });
    return all;
  }

 private:
  template <typename Act>
  void attempt(Act act) {
    try {
      act();
    } catch (const std::system_error& error) {
      if (!std::exchange(said_, true))
        std::fprintf(stderr, "the holder of descriptors failed, sessions will not survive a crash: %s\n", error.what());
    }
  }

  std::unique_ptr<holder::Holder> holder_;
  bool said_ = false;
};

}  // namespace

std::unique_ptr<Holder> connectHolder(const std::string& where) {
  try {
    return std::make_unique<Held>(holder::openHolder(where));
  } catch (const std::system_error& error) {
    throw os::OpenError(error.code().value(), where, "the holder of descriptors");
  }
}

}  // namespace gatehouse::kernel
