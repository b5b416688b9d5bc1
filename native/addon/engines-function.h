// Engines and the kernel's algorithms as JavaScript values.
#pragma once

#include <napi.h>

namespace gatehouse::addon {

/// () → [{ name, description, algorithms }]: what `engine` may name here; `algorithms` as proposal strings.
Napi::Value listEngines(const Napi::CallbackInfo& info);

/// () → { netlink, algorithms: [{ name, driver, module, type, priority, references, asynchronous, selfTestPassed, internal, instance, made }] }
Napi::Value listKernelAlgorithms(const Napi::CallbackInfo& info);

/// (driver, priority) → { before, dropped, inUse }. Throws an Error with `code` and `subject`.
Napi::Value setAlgorithmPriority(const Napi::CallbackInfo& info);

/// (name) → whether there is an engine of this name here; makes the kernel load or build what `af-alg:DRIVER` needs.
Napi::Value hasEngine(const Napi::CallbackInfo& info);

}  // namespace gatehouse::addon
