// `releaseUnusedMemory()`: what the start needed and nobody needs again.
#pragma once

#include <napi.h>

namespace gatehouse::addon {

/// Gives a number of octets (linux/unused-memory.h).
Napi::Value releaseUnusedMemory(const Napi::CallbackInfo& info);

}  // namespace gatehouse::addon
