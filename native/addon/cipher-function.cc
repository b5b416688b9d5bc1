#include "addon/cipher-function.h"

#include "addon/values.h"
#include "crypto/block-cipher.h"

namespace gatehouse::addon {

Napi::Value codeCbc(const Napi::CallbackInfo& info) {
  const auto coding = info[0].As<Napi::Boolean>().Value() ? crypto::Coding::encrypt : crypto::Coding::decrypt;
  auto array = info[1].As<Napi::Uint8Array>();
  const std::span<uint8_t> octets(array.Data(), array.ByteLength());
  const size_t key = numberOf(info[2]);
  const size_t iv = numberOf(info[3]);
  const size_t text = numberOf(info[4]);
  if (key + iv + text > octets.size())
    throw Napi::RangeError::New(info.Env(), "key, IV and text are longer than their array");
  return Napi::Boolean::New(
      info.Env(), crypto::codeCbc(coding, octets.first(key), octets.subspan(key, iv), octets.subspan(key + iv, text)));
}

}  // namespace gatehouse::addon
