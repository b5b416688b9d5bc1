#include "addon/values.h"

namespace gatehouse::addon {

std::span<const uint8_t> octetsOf(const Napi::Value& value) {
  if (!value.IsTypedArray()) throw Napi::TypeError::New(value.Env(), "a Uint8Array is needed");
  const auto array = value.As<Napi::Uint8Array>();
  return {array.Data(), array.ByteLength()};
}

uint32_t numberOf(const Napi::Value& value) { return value.As<Napi::Number>().Uint32Value(); }

pipeline::Address addressOf(const Napi::Value& value) {
  if (!value.IsTypedArray()) return {};
  const auto octets = octetsOf(value);
  return octets.size() == 4 || octets.size() == 16
             ? pipeline::Address::from(octets.data(), static_cast<uint8_t>(octets.size()))
             : pipeline::Address{};
}

Napi::Error toJs(Napi::Env env, const os::OpenError& error) {
  Napi::Error made = Napi::Error::New(env, error.what());
  made.Set("code", Napi::String::New(env, error.code()));
  made.Set("subject", Napi::String::New(env, error.subject()));
  return made;
}

}  // namespace gatehouse::addon
