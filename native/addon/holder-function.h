// The journal's key with the holder of descriptors (holder/holder.h): `holderKey(where)`, `keepHolderKey(where, octets)`, `releaseHolder(where)`. `where` is the
// path of a holder's socket, or `systemd`. Each connects for itself; the plane's own connection is what tells the holder that a daemon is there.
#pragma once

#include <napi.h>

namespace gatehouse::addon {

/// The octets that an earlier process had kept, or undefined.
Napi::Value holderKey(const Napi::CallbackInfo& info);
/// In a sealed memfd: it never is in a file.
void keepHolderKey(const Napi::CallbackInfo& info);
/// Lets go of everything that is held.
void releaseHolder(const Napi::CallbackInfo& info);

}  // namespace gatehouse::addon
