// What `require` of the addon gives: the DataPlane class and the benchmark. Several environments (worker threads) may load it; nothing here is shared between them.
#include <napi.h>

#include "addon/bench-function.h"
#include "addon/data-plane-object.h"
#include "addon/notify-function.h"

namespace {

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  exports.Set("DataPlane", gatehouse::addon::DataPlaneObject::define(env));
  exports.Set("benchEngines", Napi::Function::New(env, gatehouse::addon::benchEngines, "benchEngines"));
  exports.Set("notifyManager", Napi::Function::New(env, gatehouse::addon::notifyManager, "notifyManager"));
  return exports;
}

}  // namespace

NODE_API_MODULE(gatehouse, initialise)
