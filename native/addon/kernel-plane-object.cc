#include "addon/kernel-plane-object.h"

#include "kernel/probe.h"
#include "kernel/remains.h"

namespace gatehouse::addon {
namespace {

kernel::KernelOptions optionsOf(const Napi::Object& given) {
  kernel::KernelOptions options;
  const auto listen = given.Get("listen").As<Napi::Array>();
  for (uint32_t i = 0; i < listen.Length(); i++) options.listen.push_back(addressOf(listen.Get(i)));
  options.ikePort = static_cast<uint16_t>(numberOf(given.Get("ikePort")));
  options.nattPort = static_cast<uint16_t>(numberOf(given.Get("nattPort")));
  options.tun.name = given.Get("tunName").As<Napi::String>();
  options.tun.address = addressOf(given.Get("tunAddress"));
  options.tun.prefix = static_cast<uint8_t>(numberOf(given.Get("tunPrefix")));
  options.tun.mtu = numberOf(given.Get("tunMtu"));
  options.devicePrefix = given.Get("devicePrefix").As<Napi::String>();
  options.offload = given.Get("offload").As<Napi::String>();
  options.holder = given.Get("holder").As<Napi::String>();
  options.resume = given.Get("resume").As<Napi::Boolean>();
  return options;
}

}  // namespace

Napi::Function KernelPlaneObject::define(Napi::Env env) {
  using Self = KernelPlaneObject;
  return DefineClass(
      env, "KernelPlane",
      methods({InstanceMethod<&Self::apply>("apply"), InstanceMethod<&Self::forgetTheRest>("forgetTheRest")}));
}

KernelPlaneObject::KernelPlaneObject(const Napi::CallbackInfo& info)
    : PlaneObject(info, optionsOf(info[0].As<Napi::Object>())) {}

void KernelPlaneObject::apply(const Napi::CallbackInfo& info) {
  if (plane()) plane()->apply(numberOf(info[0]), octetsOf(info[1]));
}

void KernelPlaneObject::forgetTheRest(const Napi::CallbackInfo& /*info*/) {
  if (plane()) plane()->forgetTheRest();
}

void removeKernelRemains(const Napi::CallbackInfo& info) {
  try {
    kernel::removeRemains();
  } catch (const os::OpenError& error) {
    throw toJs(info.Env(), error);
  }
}

Napi::Value probeKernel(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  const kernel::Probe probe = kernel::probeKernel();
  const auto list = [&](const std::vector<std::string>& all) {
    auto array = Napi::Array::New(env, all.size());
    for (uint32_t i = 0; i < all.size(); i++) array.Set(i, all[i]);
    return array;
  };
  auto object = Napi::Object::New(env);
  object.Set("usable", Napi::Boolean::New(env, probe.usable));
  object.Set("why", probe.why);
  object.Set("ciphers", list(probe.ciphers));
  object.Set("missing", list(probe.missing));
  return object;
}

}  // namespace gatehouse::addon
