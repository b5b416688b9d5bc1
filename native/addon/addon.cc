// What `require` of the addon gives: the classes of both data planes, the probe and the benchmark. Several environments (worker threads) may load it; nothing here is shared between them.
#include <napi.h>

#include "addon/bench-function.h"
#include "addon/cipher-function.h"
#include "addon/data-plane-object.h"
#include "addon/device-feature-function.h"
#include "addon/engines-function.h"
#include "addon/holder-function.h"
#include "addon/kernel-plane-object.h"
#include "addon/key-exchange-function.h"
#include "addon/memory-function.h"
#include "addon/notify-function.h"

namespace {

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  exports.Set("DataPlane", gatehouse::addon::DataPlaneObject::define(env));
  exports.Set("KernelPlane", gatehouse::addon::KernelPlaneObject::define(env));
  exports.Set("probeKernel", Napi::Function::New(env, gatehouse::addon::probeKernel, "probeKernel"));
  exports.Set("removeKernelRemains",
              Napi::Function::New(env, gatehouse::addon::removeKernelRemains, "removeKernelRemains"));
  exports.Set("benchEngines", Napi::Function::New(env, gatehouse::addon::benchEngines, "benchEngines"));
  exports.Set("benchFlood", Napi::Function::New(env, gatehouse::addon::benchFlood, "benchFlood"));
  exports.Set("benchTunReader", Napi::Function::New(env, gatehouse::addon::benchTunReader, "benchTunReader"));
  exports.Set("exchangeKeys", Napi::Function::New(env, gatehouse::addon::exchangeKeys, "exchangeKeys"));
  exports.Set("exchangeKeysAtOnce",
              Napi::Function::New(env, gatehouse::addon::exchangeKeysAtOnce, "exchangeKeysAtOnce"));
  exports.Set("codeCbc", Napi::Function::New(env, gatehouse::addon::codeCbc, "codeCbc"));
  exports.Set("notifyManager", Napi::Function::New(env, gatehouse::addon::notifyManager, "notifyManager"));
  exports.Set("releaseUnusedMemory",
              Napi::Function::New(env, gatehouse::addon::releaseUnusedMemory, "releaseUnusedMemory"));
  exports.Set("deviceFeature", Napi::Function::New(env, gatehouse::addon::deviceFeature, "deviceFeature"));
  exports.Set("setDeviceFeature", Napi::Function::New(env, gatehouse::addon::setDeviceFeature, "setDeviceFeature"));
  exports.Set("holderKey", Napi::Function::New(env, gatehouse::addon::holderKey, "holderKey"));
  exports.Set("keepHolderKey", Napi::Function::New(env, gatehouse::addon::keepHolderKey, "keepHolderKey"));
  exports.Set("releaseHolder", Napi::Function::New(env, gatehouse::addon::releaseHolder, "releaseHolder"));
  exports.Set("listEngines", Napi::Function::New(env, gatehouse::addon::listEngines, "listEngines"));
  exports.Set("hasEngine", Napi::Function::New(env, gatehouse::addon::hasEngine, "hasEngine"));
  exports.Set("listKernelAlgorithms",
              Napi::Function::New(env, gatehouse::addon::listKernelAlgorithms, "listKernelAlgorithms"));
  exports.Set("setAlgorithmPriority",
              Napi::Function::New(env, gatehouse::addon::setAlgorithmPriority, "setAlgorithmPriority"));
  return exports;
}

}  // namespace

NODE_API_MODULE(gatehouse, initialise)
