// What `bench` measures in native code, on the thread that calls it.
#pragma once

#include <napi.h>

namespace gatehouse::addon {

/// `benchEngines({ milliseconds, repeats }, progress)`: an array of results, fields as in bench/bench.h. `progress(done, all)` is called before each
/// measurement; where it returns false the run stops and gives what it has.
Napi::Value benchEngines(const Napi::CallbackInfo& info);

/// `benchFlood({ … })`: fields as in bench/flood.h; `{ packets, wallSeconds, processorSeconds }`. Nothing else runs on this thread meanwhile.
Napi::Value benchFlood(const Napi::CallbackInfo& info);

/// `benchTunReader({ name, address, prefix }, { … })`: a TUN device, and a flood that is routed to it; `{ packets, processorSeconds }` of who reads it.
Napi::Value benchTunReader(const Napi::CallbackInfo& info);

}  // namespace gatehouse::addon
