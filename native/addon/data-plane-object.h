// The userland data plane as JavaScript sees it.
#pragma once

#include "addon/plane-object.h"
#include "pipeline/data-plane.h"

namespace gatehouse::addon {

class DataPlaneObject : public PlaneObject<DataPlaneObject, pipeline::DataPlane, pipeline::DataPlaneOptions> {
 public:
  static Napi::Function define(Napi::Env env);
  /// new DataPlane(options, wake): options as in src/platform/addon.ts.
  explicit DataPlaneObject(const Napi::CallbackInfo& info);

 private:
  Napi::Value apply(const Napi::CallbackInfo& info);
};

}  // namespace gatehouse::addon
