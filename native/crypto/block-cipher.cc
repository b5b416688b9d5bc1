#include "crypto/block-cipher.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <array>
#include <climits>
#include <memory>

namespace gatehouse::crypto {
namespace {

struct Cipher {
  std::size_t keyOctets;
  std::size_t blockOctets;
  const char* name;
};

constexpr std::array<Cipher, 4> ciphers{{
    {16, 16, "AES-128-CBC"},
    {24, 16, "AES-192-CBC"},
    {32, 16, "AES-256-CBC"},
    {24, 8, "DES-EDE3-CBC"},
}};

/// What EVP finds by name, once. Never freed: a thread of the pool may still be at work when the process ends.
std::array<EVP_CIPHER*, ciphers.size()> fetched() {
  OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, nullptr);
  std::array<EVP_CIPHER*, ciphers.size()> all{};
  for (std::size_t i = 0; i < ciphers.size(); i++)
    all[i] = EVP_CIPHER_fetch(nullptr, ciphers[i].name, "provider=default");
  return all;
}

struct Free {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};

}  // namespace

bool codeCbc(Coding coding, std::span<const std::uint8_t> key, std::span<const std::uint8_t> iv,
             std::span<std::uint8_t> text) {
  static const auto known = fetched();
  std::size_t index = 0;
  while (index < ciphers.size() && (ciphers[index].keyOctets != key.size() || ciphers[index].blockOctets != iv.size()))
    index++;
  if (index == ciphers.size() || known[index] == nullptr) return false;
  if (text.size() % iv.size() != 0 || text.size() > INT_MAX) return false;
  if (text.empty()) return true;
  // Freeing it wipes the expanded key.
  const std::unique_ptr<EVP_CIPHER_CTX, Free> context(EVP_CIPHER_CTX_new());
  int written = 0;
  const auto length = static_cast<int>(text.size());
  return context &&
         EVP_CipherInit_ex2(context.get(), known[index], key.data(), iv.data(), coding == Coding::encrypt ? 1 : 0,
                            nullptr) == 1 &&
         EVP_CIPHER_CTX_set_padding(context.get(), 0) == 1 &&
         EVP_CipherUpdate(context.get(), text.data(), &written, text.data(), length) == 1 && written == length;
}

}  // namespace gatehouse::crypto
