#include "addon/memory-function.h"

#include "linux/unused-memory.h"

namespace gatehouse::addon {

Napi::Value releaseUnusedMemory(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(os::releaseUnusedMemory()));
}

}  // namespace gatehouse::addon
