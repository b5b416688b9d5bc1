// CBC over a few blocks, as IKE seals its messages and MS-CHAP makes its responses: one call, without an object for each message.
#pragma once

#include <cstdint>
#include <span>

namespace gatehouse::crypto {

enum class Coding { encrypt, decrypt };

/// Codes `text`, whole blocks, in place. The cipher goes by the length of its key and of its IV (a block): AES with 16, 24 or 32 octets of key, triple DES
/// with 24 and a block of 8. False, and `text` is as it was, where these don't fit together or libcrypto fails. From any thread; keeps no key.
bool codeCbc(Coding coding, std::span<const std::uint8_t> key, std::span<const std::uint8_t> iv,
             std::span<std::uint8_t> text);

}  // namespace gatehouse::crypto
