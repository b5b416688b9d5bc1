// `exchangeKeys(group, peerPublic)`: a responder's Diffie-Hellman as one job of Node's thread pool.
#pragma once

#include <napi.h>

namespace gatehouse::addon {

/// A promise of `{ publicValue, shared }`, two Uint8Arrays, or of undefined where crypto/key-exchange.h says nothing.
Napi::Value exchangeKeys(const Napi::CallbackInfo& info);

}  // namespace gatehouse::addon
