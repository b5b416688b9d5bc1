#include "addon/data-plane-object.h"

namespace gatehouse::addon {
namespace {

pipeline::DataPlaneOptions optionsOf(const Napi::Object& given) {
  pipeline::DataPlaneOptions options;
  const auto listen = given.Get("listen").As<Napi::Array>();
  for (uint32_t i = 0; i < listen.Length(); i++) options.listen.push_back(addressOf(listen.Get(i)));
  options.ikePort = static_cast<uint16_t>(numberOf(given.Get("ikePort")));
  options.nattPort = static_cast<uint16_t>(numberOf(given.Get("nattPort")));
  options.tun.name = given.Get("tunName").As<Napi::String>();
  options.tun.address = addressOf(given.Get("tunAddress"));
  options.tun.prefix = static_cast<uint8_t>(numberOf(given.Get("tunPrefix")));
  options.tun.mtu = numberOf(given.Get("tunMtu"));
  options.workers = numberOf(given.Get("workers"));
  options.engine = given.Get("engine").As<Napi::String>();
  return options;
}

}  // namespace

Napi::Function DataPlaneObject::define(Napi::Env env) {
  return DefineClass(env, "DataPlane", methods({InstanceMethod<&DataPlaneObject::apply>("apply")}));
}

DataPlaneObject::DataPlaneObject(const Napi::CallbackInfo& info)
    : PlaneObject(info, optionsOf(info[0].As<Napi::Object>())) {}

Napi::Value DataPlaneObject::apply(const Napi::CallbackInfo& info) {
  const auto failure =
      plane() ? plane()->apply(octetsOf(info[0])) : pipeline::Failure{"closed", "the data plane is closed"};
  if (!failure) return info.Env().Undefined();
  Napi::Object object = Napi::Object::New(info.Env());
  object.Set("code", Napi::String::New(info.Env(), failure->code));
  object.Set("message", Napi::String::New(info.Env(), failure->message));
  return object;
}

}  // namespace gatehouse::addon
