// `codeCbc(encrypt, octets, key, iv, text)`: crypto/block-cipher.h on octets that lie one after the other in one array, so that nothing is allocated.
#pragma once

#include <napi.h>

namespace gatehouse::addon {

/// Key, IV and text lie in the array `octets` in this order, with these lengths; the text is coded in place. False as crypto/block-cipher.h says; a RangeError
/// where the array is too short.
Napi::Value codeCbc(const Napi::CallbackInfo& info);

}  // namespace gatehouse::addon
