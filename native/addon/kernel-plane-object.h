// The kernel data plane as JavaScript sees it: shaped as data-plane-object.h, but for `apply`, whose outcome comes as an event.
#pragma once

#include <napi.h>

#include <memory>

#include "kernel/plane.h"

namespace gatehouse::addon {

class KernelPlaneObject : public Napi::ObjectWrap<KernelPlaneObject> {
 public:
  static Napi::Function define(Napi::Env env);
  /// new KernelPlane(options, wake): options as in src/platform/addon.ts. Throws an Error with `code` and `subject`.
  explicit KernelPlaneObject(const Napi::CallbackInfo& info);
  ~KernelPlaneObject() override;

 private:
  struct Open;

  Napi::Value ports(const Napi::CallbackInfo& info);
  Napi::Value description(const Napi::CallbackInfo& info);
  void apply(const Napi::CallbackInfo& info);
  void sendIke(const Napi::CallbackInfo& info);
  void sendKeepalive(const Napi::CallbackInfo& info);
  void sendControl(const Napi::CallbackInfo& info);
  void sendPpp(const Napi::CallbackInfo& info);
  void forgetTheRest(const Napi::CallbackInfo& info);
  Napi::Value drain(const Napi::CallbackInfo& info);
  Napi::Value activity(const Napi::CallbackInfo& info);
  Napi::Value counters(const Napi::CallbackInfo& info);
  void close(const Napi::CallbackInfo& info);

  void shut();
  static void atEnvironmentEnd(void* self);

  napi_env environment_;
  Napi::ThreadSafeFunction wake_;
  std::unique_ptr<Open> open_;
};

/// `probeKernel()`: { usable, why, ciphers, missing } as in kernel/probe.h.
Napi::Value probeKernel(const Napi::CallbackInfo& info);

}  // namespace gatehouse::addon
