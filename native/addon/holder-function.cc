#include "addon/holder-function.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "addon/values.h"
#include "crypto/wipe.h"
#include "holder/holder.h"

namespace gatehouse::addon {
namespace {

/// More than any key has.
constexpr std::size_t mostOctets = 128;

std::string whereOf(const Napi::CallbackInfo& info) { return info[0].As<Napi::String>(); }

Napi::Error toJs(Napi::Env env, const std::system_error& error) {
  return addon::toJs(env, os::OpenError(error.code().value(), "the holder of descriptors", "cannot reach"));
}

os::File sealed(std::span<const uint8_t> octets) {
  os::File file(::memfd_create("gatehouse-journal-key", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file.open() || ::write(file.get(), octets.data(), octets.size()) != static_cast<ssize_t>(octets.size()) ||
      ::fcntl(file.get(), F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0)
    throw std::system_error(errno, std::generic_category(), "a file in memory");
  return file;
}

}  // namespace

Napi::Value holderKey(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  try {
    for (const holder::Held& held : holder::openHolder(whereOf(info))->list()) {
      if (held.name != holder::journalKey) continue;
      std::array<uint8_t, mostOctets> octets{};
      const ssize_t length = ::pread(held.file.get(), octets.data(), octets.size(), 0);
      if (length <= 0) return env.Undefined();
      auto found = Napi::Uint8Array::New(env, static_cast<std::size_t>(length));
      std::copy_n(octets.begin(), length, found.Data());
      crypto::wipe(octets.data(), octets.size());
      return found;
    }
    return env.Undefined();
  } catch (const std::system_error& error) {
    throw toJs(env, error);
  }
}

void keepHolderKey(const Napi::CallbackInfo& info) {
  try {
    const os::File file = sealed(octetsOf(info[1]));
    holder::openHolder(whereOf(info))->put(holder::journalKey, file.get());
  } catch (const std::system_error& error) {
    throw toJs(info.Env(), error);
  }
}

void releaseHolder(const Napi::CallbackInfo& info) {
  try {
    holder::openHolder(whereOf(info))->releaseAll();
  } catch (const std::system_error& error) {
    throw toJs(info.Env(), error);
  }
}

}  // namespace gatehouse::addon
