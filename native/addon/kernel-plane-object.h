// The kernel data plane as JavaScript sees it; the outcome of `apply` comes as an event.
#pragma once

#include "addon/plane-object.h"
#include "kernel/plane.h"

namespace gatehouse::addon {

class KernelPlaneObject : public PlaneObject<KernelPlaneObject, kernel::KernelPlane, kernel::KernelOptions> {
 public:
  static Napi::Function define(Napi::Env env);
  /// new KernelPlane(options, wake): options as in src/platform/addon.ts.
  explicit KernelPlaneObject(const Napi::CallbackInfo& info);

 private:
  void apply(const Napi::CallbackInfo& info);
  void forgetTheRest(const Napi::CallbackInfo& info);
};

/// `probeKernel()`: { usable, why, ciphers, missing } as in kernel/probe.h.
Napi::Value probeKernel(const Napi::CallbackInfo& info);
/// `removeKernelRemains()`: what a plane that is gone has left in the kernel goes.
void removeKernelRemains(const Napi::CallbackInfo& info);

}  // namespace gatehouse::addon
