// `exchangeKeys(group, peerPublic)`: a responder's Diffie-Hellman as one job of Node's thread pool; `exchangeKeysAtOnce`: the same on the calling thread, for
// a group that costs less than the way to another one.
#pragma once

#include <napi.h>

namespace gatehouse::addon {

/// A promise of `{ publicValue, shared }`, two Uint8Arrays, or of undefined where crypto/key-exchange.h says nothing.
Napi::Value exchangeKeys(const Napi::CallbackInfo& info);

/// The same without a promise.
Napi::Value exchangeKeysAtOnce(const Napi::CallbackInfo& info);

}  // namespace gatehouse::addon
