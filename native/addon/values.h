// JavaScript's values as C++ has them, and errors the other way round.
#pragma once

#include <napi.h>

#include <span>

#include "linux/open-error.h"
#include "pipeline/address.h"

namespace gatehouse::addon {

/// The array's own octets. Throws a TypeError.
std::span<const uint8_t> octetsOf(const Napi::Value& value);
uint32_t numberOf(const Napi::Value& value);
/// Of 4 or 16 octets; none of anything else.
pipeline::Address addressOf(const Napi::Value& value);
/// An Error with `code` and `subject`.
Napi::Error toJs(Napi::Env env, const os::OpenError& error);

}  // namespace gatehouse::addon
