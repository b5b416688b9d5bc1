#include "addon/data-plane-object.h"

#include "addon/exit-guard.h"
#include "addon/values.h"
#include "linux/open-error.h"
#include "pipeline/commands.h"

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

/// The guard must go before the plane.
struct DataPlaneObject::Open {
  Open(const pipeline::DataPlaneOptions& options, std::function<void()> onWake)
      : plane(options, std::move(onWake)), guard([this] { plane.close(); }) {}
  pipeline::DataPlane plane;
  ExitGuard guard;
};

Napi::Function DataPlaneObject::define(Napi::Env env) {
  return DefineClass(
      env, "DataPlane",
      {InstanceMethod<&DataPlaneObject::ports>("ports"), InstanceMethod<&DataPlaneObject::description>("description"),
       InstanceMethod<&DataPlaneObject::apply>("apply"), InstanceMethod<&DataPlaneObject::sendIke>("sendIke"),
       InstanceMethod<&DataPlaneObject::sendKeepalive>("sendKeepalive"),
       InstanceMethod<&DataPlaneObject::sendControl>("sendControl"),
       InstanceMethod<&DataPlaneObject::sendPpp>("sendPpp"), InstanceMethod<&DataPlaneObject::drain>("drain"),
       InstanceMethod<&DataPlaneObject::activity>("activity"), InstanceMethod<&DataPlaneObject::counters>("counters"),
       InstanceMethod<&DataPlaneObject::close>("close")});
}

DataPlaneObject::DataPlaneObject(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<DataPlaneObject>(info), environment_(info.Env()) {
  const Napi::Env env = info.Env();
  const pipeline::DataPlaneOptions options = optionsOf(info[0].As<Napi::Object>());
  // No limit is needed: Context::wakePending lets one call wait at a time.
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
  napi_add_env_cleanup_hook(environment_, &DataPlaneObject::atEnvironmentEnd, this);
}

DataPlaneObject::~DataPlaneObject() { shut(); }

void DataPlaneObject::atEnvironmentEnd(void* self) { static_cast<DataPlaneObject*>(self)->shut(); }

void DataPlaneObject::shut() {
  if (!open_) return;
  napi_remove_env_cleanup_hook(environment_, &DataPlaneObject::atEnvironmentEnd, this);
  open_.reset();
  wake_.Release();
}

Napi::Value DataPlaneObject::ports(const Napi::CallbackInfo& info) {
  Napi::Object ports = Napi::Object::New(info.Env());
  ports.Set("ike", Napi::Number::New(info.Env(), open_ ? open_->plane.ikePort() : 0));
  ports.Set("natt", Napi::Number::New(info.Env(), open_ ? open_->plane.nattPort() : 0));
  return ports;
}

Napi::Value DataPlaneObject::description(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), open_ ? open_->plane.description() : "closed");
}

Napi::Value DataPlaneObject::apply(const Napi::CallbackInfo& info) {
  const auto failure =
      open_ ? open_->plane.apply(octetsOf(info[0])) : pipeline::Failure{"closed", "the data plane is closed"};
  if (!failure) return info.Env().Undefined();
  Napi::Object object = Napi::Object::New(info.Env());
  object.Set("code", Napi::String::New(info.Env(), failure->code));
  object.Set("message", Napi::String::New(info.Env(), failure->message));
  return object;
}

void DataPlaneObject::sendIke(const Napi::CallbackInfo& info) {
  pipeline::Cursor cursor(octetsOf(info[0]));
  const pipeline::Path path = cursor.path();
  if (open_ && !cursor.failed()) open_->plane.sendIke(path, octetsOf(info[1]));
}

void DataPlaneObject::sendKeepalive(const Napi::CallbackInfo& info) {
  pipeline::Cursor cursor(octetsOf(info[0]));
  const pipeline::Path path = cursor.path();
  if (open_ && !cursor.failed()) open_->plane.sendKeepalive(path);
}

void DataPlaneObject::sendControl(const Napi::CallbackInfo& info) {
  if (open_)
    open_->plane.sendControl(numberOf(info[0]), static_cast<uint16_t>(numberOf(info[1])),
                             static_cast<uint16_t>(numberOf(info[2])), octetsOf(info[3]));
}

void DataPlaneObject::sendPpp(const Napi::CallbackInfo& info) {
  if (open_) open_->plane.sendPpp(numberOf(info[0]), static_cast<uint16_t>(numberOf(info[1])), octetsOf(info[2]));
}

// Twice the octets written, plus one if there is more: one number, so that nothing is allocated.
Napi::Value DataPlaneObject::drain(const Napi::CallbackInfo& info) {
  auto array = info[0].As<Napi::Uint8Array>();
  bool more = false;
  const size_t filled = open_ ? open_->plane.drain({array.Data(), array.ByteLength()}, more) : 0;
  return Napi::Number::New(info.Env(), static_cast<double>(filled * 2 + (more ? 1 : 0)));
}

Napi::Value DataPlaneObject::activity(const Napi::CallbackInfo& info) {
  const std::vector<uint8_t> octets = open_ ? open_->plane.activity() : std::vector<uint8_t>{};
  Napi::Uint8Array array = Napi::Uint8Array::New(info.Env(), octets.size());
  std::copy(octets.begin(), octets.end(), array.Data());
  return array;
}

Napi::Value DataPlaneObject::counters(const Napi::CallbackInfo& info) {
  Napi::Object object = Napi::Object::New(info.Env());
  if (!open_) return object;
  for (const auto& [name, value] : open_->plane.counters())
    object.Set(std::string(name), Napi::Number::New(info.Env(), static_cast<double>(value)));
  return object;
}

void DataPlaneObject::close(const Napi::CallbackInfo& /*info*/) { shut(); }

}  // namespace gatehouse::addon
