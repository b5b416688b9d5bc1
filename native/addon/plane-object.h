// A data plane as JavaScript sees it: numbers and octets in, numbers and octets out. Everything here runs on the environment's own thread, except
// the wake-up, which is a thread-safe function. What the planes have in common is here; each adds how it is made and how it is changed.
#pragma once

#include <napi.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "addon/exit-guard.h"
#include "addon/values.h"
#include "linux/open-error.h"
#include "pipeline/messages.h"

namespace gatehouse::addon {

/// `Self` is the class that JavaScript gets, `Plane` what it wraps; new Self(options, wake) throws an Error with `code` and `subject`.
template <class Self, class Plane, class Options>
class PlaneObject : public Napi::ObjectWrap<Self> {
 public:
  ~PlaneObject() override { shut(); }

 protected:
  using Base = Napi::ObjectWrap<Self>;

  PlaneObject(const Napi::CallbackInfo& info, const Options& options) : Base(info), environment_(info.Env()) {
    const Napi::Env env = info.Env();
    // No limit is needed: a plane lets one wake-up wait at a time.
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
    napi_add_env_cleanup_hook(environment_, &PlaneObject::atEnvironmentEnd, this);
  }

  /// The methods that every plane has, followed by `own`.
  static std::vector<Napi::ClassPropertyDescriptor<Self>> methods(
      std::vector<Napi::ClassPropertyDescriptor<Self>> own) {
    std::vector<Napi::ClassPropertyDescriptor<Self>> all{
        Base::InstanceMethod("ports", &Self::ports),       Base::InstanceMethod("description", &Self::description),
        Base::InstanceMethod("send", &Self::send),         Base::InstanceMethod("drain", &Self::drain),
        Base::InstanceMethod("activity", &Self::activity), Base::InstanceMethod("counters", &Self::counters),
        Base::InstanceMethod("close", &Self::close),
    };
    all.insert(all.end(), own.begin(), own.end());
    return all;
  }

  /// Undefined after close().
  [[nodiscard]] Plane* plane() { return open_ ? &open_->plane : nullptr; }

 public:
  Napi::Value ports(const Napi::CallbackInfo& info) {
    Napi::Object ports = Napi::Object::New(info.Env());
    ports.Set("ike", Napi::Number::New(info.Env(), open_ ? open_->plane.ikePort() : 0));
    ports.Set("natt", Napi::Number::New(info.Env(), open_ ? open_->plane.nattPort() : 0));
    return ports;
  }

  Napi::Value description(const Napi::CallbackInfo& info) {
    return Napi::String::New(info.Env(), open_ ? open_->plane.description() : "closed");
  }

  /// The first so many octets of an array.
  void send(const Napi::CallbackInfo& info) {
    const auto octets = octetsOf(info[0]);
    const size_t length = numberOf(info[1]);
    if (length > octets.size()) throw Napi::RangeError::New(info.Env(), "the batch is longer than its array");
    if (open_ && !pipeline::sendMessages(octets.first(length), open_->plane))
      throw Napi::Error::New(info.Env(), "the batch of messages is broken");
  }

  // Twice the octets written, plus one if there is more: one number, so that nothing is allocated.
  Napi::Value drain(const Napi::CallbackInfo& info) {
    auto array = info[0].As<Napi::Uint8Array>();
    bool more = false;
    const size_t filled = open_ ? open_->plane.drain({array.Data(), array.ByteLength()}, more) : 0;
    return Napi::Number::New(info.Env(), static_cast<double>(filled * 2 + (more ? 1 : 0)));
  }

  Napi::Value activity(const Napi::CallbackInfo& info) {
    const std::vector<uint8_t> octets = open_ ? open_->plane.activity() : std::vector<uint8_t>{};
    Napi::Uint8Array array = Napi::Uint8Array::New(info.Env(), octets.size());
    std::copy(octets.begin(), octets.end(), array.Data());
    return array;
  }

  Napi::Value counters(const Napi::CallbackInfo& info) {
    Napi::Object object = Napi::Object::New(info.Env());
    if (!open_) return object;
    for (const auto& [name, value] : open_->plane.counters())
      object.Set(std::string(name), Napi::Number::New(info.Env(), static_cast<double>(value)));
    return object;
  }

  void close(const Napi::CallbackInfo& /*info*/) { shut(); }

 private:
  /// The guard must go before the plane.
  struct Open {
    Open(const Options& options, std::function<void()> onWake)
        : plane(options, std::move(onWake)), guard([this] { plane.close(); }) {}
    Plane plane;
    ExitGuard guard;
  };

  /// Stops the workers, then lets the wake-up go. Called by close(), by the environment's end, or by the collector; the first one counts.
  void shut() {
    if (!open_) return;
    napi_remove_env_cleanup_hook(environment_, &PlaneObject::atEnvironmentEnd, this);
    open_.reset();
    wake_.Release();
  }
  static void atEnvironmentEnd(void* self) { static_cast<PlaneObject*>(self)->shut(); }

  napi_env environment_;
  Napi::ThreadSafeFunction wake_;
  std::unique_ptr<Open> open_;
};

}  // namespace gatehouse::addon
