// The data plane as JavaScript sees it: numbers and octets in, numbers and octets out. Everything here runs on the environment's own thread, except
// the wake-up, which is a thread-safe function.
#pragma once

#include <napi.h>

#include <memory>

#include "pipeline/data-plane.h"

namespace gatehouse::addon {

class DataPlaneObject : public Napi::ObjectWrap<DataPlaneObject> {
 public:
  static Napi::Function define(Napi::Env env);
  /// new DataPlane(options, wake): options as in src/platform/addon.ts. Throws an Error with `code` and `subject`.
  explicit DataPlaneObject(const Napi::CallbackInfo& info);
  ~DataPlaneObject() override;

 private:
  struct Open;

  Napi::Value ports(const Napi::CallbackInfo& info);
  Napi::Value description(const Napi::CallbackInfo& info);
  Napi::Value apply(const Napi::CallbackInfo& info);
  void sendIke(const Napi::CallbackInfo& info);
  void sendKeepalive(const Napi::CallbackInfo& info);
  void sendControl(const Napi::CallbackInfo& info);
  void sendPpp(const Napi::CallbackInfo& info);
  Napi::Value drain(const Napi::CallbackInfo& info);
  Napi::Value activity(const Napi::CallbackInfo& info);
  Napi::Value counters(const Napi::CallbackInfo& info);
  void close(const Napi::CallbackInfo& info);

  /// Stops the workers, then lets the wake-up go. Called by close(), by the environment's end, or by the collector; the first one counts.
  void shut();
  static void atEnvironmentEnd(void* self);

  napi_env environment_;
  Napi::ThreadSafeFunction wake_;
  std::unique_ptr<Open> open_;
};

}  // namespace gatehouse::addon
