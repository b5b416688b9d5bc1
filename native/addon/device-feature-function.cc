#include "addon/device-feature-function.h"

#include "linux/device-feature.h"

namespace gatehouse::addon {

Napi::Value deviceFeature(const Napi::CallbackInfo& info) {
  const auto active = os::deviceFeature(info[0].As<Napi::String>(), info[1].As<Napi::String>());
  return active ? Napi::Boolean::New(info.Env(), *active) : info.Env().Undefined();
}

Napi::Value setDeviceFeature(const Napi::CallbackInfo& info) {
  const bool set = os::setDeviceFeature(info[0].As<Napi::String>(), info[1].As<Napi::String>(), info[2].ToBoolean());
  return Napi::Boolean::New(info.Env(), set);
}

}  // namespace gatehouse::addon
