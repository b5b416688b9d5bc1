#include "addon/kernel-plane-object.h"

#include "addon/exit-guard.h"
#include "addon/values.h"
#include "kernel/probe.h"
#include "linux/open-error.h"
#include "pipeline/commands.h"

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

/// The guard must go before the plane.
struct KernelPlaneObject::Open {
  Open(const kernel::KernelOptions& options, std::function<void()> onWake)
      : plane(options, std::move(onWake)), guard([this] { plane.close(); }) {}
  kernel::KernelPlane plane;
  ExitGuard guard;
};

Napi::Function KernelPlaneObject::define(Napi::Env env) {
  using Self = KernelPlaneObject;
  return DefineClass(
      env, "KernelPlane",
      {InstanceMethod<&Self::ports>("ports"), InstanceMethod<&Self::description>("description"),
       InstanceMethod<&Self::apply>("apply"), InstanceMethod<&Self::sendIke>("sendIke"),
       InstanceMethod<&Self::sendKeepalive>("sendKeepalive"), InstanceMethod<&Self::sendControl>("sendControl"),
       InstanceMethod<&Self::sendPpp>("sendPpp"), InstanceMethod<&Self::forgetTheRest>("forgetTheRest"),
       InstanceMethod<&Self::drain>("drain"), InstanceMethod<&Self::activity>("activity"),
       InstanceMethod<&Self::counters>("counters"), InstanceMethod<&Self::close>("close")});
}

KernelPlaneObject::KernelPlaneObject(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<KernelPlaneObject>(info), environment_(info.Env()) {
  const Napi::Env env = info.Env();
  const kernel::KernelOptions options = optionsOf(info[0].As<Napi::Object>());
  wake_ = Napi::ThreadSafeFunction::New(env, info[1].As<Napi::Function>(), "gatehouse", 0, 1);
  try {
    open_ = std::make_unique<Open>(options, [this] { wake_.NonBlockingCall(); });
  } catch (const os::OpenError& error) {
    wake_.Release();
    throw toJs(env, error);
  } catch (const std::exception& error) {
    wake_.Release();
    throw Napi::Error::New(env, error.what());
  }
  // Added after the thread-safe function's own hook, so that it runs before.
  napi_add_env_cleanup_hook(environment_, &KernelPlaneObject::atEnvironmentEnd, this);
}

KernelPlaneObject::~KernelPlaneObject() { shut(); }

void KernelPlaneObject::atEnvironmentEnd(void* self) { static_cast<KernelPlaneObject*>(self)->shut(); }

void KernelPlaneObject::shut() {
  if (!open_) return;
  napi_remove_env_cleanup_hook(environment_, &KernelPlaneObject::atEnvironmentEnd, this);
  open_.reset();
  wake_.Release();
}

Napi::Value KernelPlaneObject::ports(const Napi::CallbackInfo& info) {
  Napi::Object ports = Napi::Object::New(info.Env());
  ports.Set("ike", Napi::Number::New(info.Env(), open_ ? open_->plane.ikePort() : 0));
  ports.Set("natt", Napi::Number::New(info.Env(), open_ ? open_->plane.nattPort() : 0));
  return ports;
}

Napi::Value KernelPlaneObject::description(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), open_ ? open_->plane.description() : "closed");
}

void KernelPlaneObject::apply(const Napi::CallbackInfo& info) {
  if (open_) open_->plane.apply(numberOf(info[0]), octetsOf(info[1]));
}

void KernelPlaneObject::sendIke(const Napi::CallbackInfo& info) {
  pipeline::Cursor cursor(octetsOf(info[0]));
  const pipeline::Path path = cursor.path();
  if (open_ && !cursor.failed()) open_->plane.sendIke(path, octetsOf(info[1]));
}

void KernelPlaneObject::sendKeepalive(const Napi::CallbackInfo& info) {
  pipeline::Cursor cursor(octetsOf(info[0]));
  const pipeline::Path path = cursor.path();
  if (open_ && !cursor.failed()) open_->plane.sendKeepalive(path);
}

void KernelPlaneObject::sendControl(const Napi::CallbackInfo& info) {
  if (open_)
    open_->plane.sendControl(numberOf(info[0]), static_cast<uint16_t>(numberOf(info[1])),
                             static_cast<uint16_t>(numberOf(info[2])), octetsOf(info[3]));
}

void KernelPlaneObject::sendPpp(const Napi::CallbackInfo& info) {
  if (open_) open_->plane.sendPpp(numberOf(info[0]), static_cast<uint16_t>(numberOf(info[1])), octetsOf(info[2]));
}

void KernelPlaneObject::forgetTheRest(const Napi::CallbackInfo& /*info*/) {
  if (open_) open_->plane.forgetTheRest();
}

// Twice the octets written, plus one if there is more: one number, so that nothing is allocated.
Napi::Value KernelPlaneObject::drain(const Napi::CallbackInfo& info) {
  auto array = info[0].As<Napi::Uint8Array>();
  bool more = false;
  const size_t filled = open_ ? open_->plane.drain({array.Data(), array.ByteLength()}, more) : 0;
  return Napi::Number::New(info.Env(), static_cast<double>(filled * 2 + (more ? 1 : 0)));
}

Napi::Value KernelPlaneObject::activity(const Napi::CallbackInfo& info) {
  const std::vector<uint8_t> octets = open_ ? open_->plane.activity() : std::vector<uint8_t>{};
  Napi::Uint8Array array = Napi::Uint8Array::New(info.Env(), octets.size());
  std::copy(octets.begin(), octets.end(), array.Data());
  return array;
}

Napi::Value KernelPlaneObject::counters(const Napi::CallbackInfo& info) {
  Napi::Object object = Napi::Object::New(info.Env());
  if (!open_) return object;
  for (const auto& [name, value] : open_->plane.counters())
    object.Set(name, Napi::Number::New(info.Env(), static_cast<double>(value)));
  return object;
}

void KernelPlaneObject::close(const Napi::CallbackInfo& /*info*/) { shut(); }

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
