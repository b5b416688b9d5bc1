#include "addon/engines-function.h"

#include <string>
#include <vector>

#include "crypto/engine.h"
#include "linux/crypto-user.h"
#include "linux/open-error.h"

namespace gatehouse::addon {

namespace {

Napi::Array toArray(Napi::Env env, const std::vector<std::string>& texts) {
  auto array = Napi::Array::New(env, texts.size());
  for (std::uint32_t i = 0; i < texts.size(); i++) array.Set(i, Napi::String::New(env, texts[i]));
  return array;
}

std::vector<std::string> algorithmsOf(const crypto::Engine& engine) {
  std::vector<std::string> names;
  for (const char* cipher :
       {"aes128gcm16", "aes192gcm16", "aes256gcm16", "aes128", "aes192", "aes256", "3des", "des", "null"}) {
    for (const char* hash : {"", "sha1", "sha256", "sha256_96", "sha384", "sha512", "md5"}) {
      const auto transform = crypto::transformFromNames(cipher, hash, false);
      if (transform && engine.supports(*transform)) names.push_back(crypto::nameOf(*transform));
    }
  }
  return names;
}

const char* nameOf(crypto::Made made) {
  switch (made) {
    case crypto::Made::device: return "device";
    case crypto::Made::processor: return "processor";
    case crypto::Made::unknown: break;
  }
  return "unknown";
}

Napi::Object toObject(Napi::Env env, const crypto::KernelAlgorithm& algorithm) {
  auto object = Napi::Object::New(env);
  object.Set("name", algorithm.name);
  object.Set("driver", algorithm.driver);
  object.Set("module", algorithm.module);
  object.Set("type", algorithm.type);
  object.Set("priority", algorithm.priority);
  object.Set("references", algorithm.references);
  object.Set("asynchronous", algorithm.asynchronous);
  object.Set("selfTestPassed", algorithm.selfTestPassed);
  object.Set("internal", algorithm.internal);
  object.Set("instance", algorithm.instance);
  object.Set("made", nameOf(algorithm.made));
  return object;
}

}  // namespace

Napi::Value listEngines(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  auto array = Napi::Array::New(env);
  for (const std::string_view name : crypto::engineNames()) {
    const auto engine = crypto::makeEngine(name);
    if (!engine) continue;
    auto object = Napi::Object::New(env);
    object.Set("name", std::string(name));
    object.Set("description", engine->description());
    object.Set("algorithms", toArray(env, algorithmsOf(*engine)));
    array.Set(array.Length(), object);
  }
  return array;
}

Napi::Value listKernelAlgorithms(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  const os::KernelAlgorithms list = os::listKernelAlgorithms();
  auto array = Napi::Array::New(env, list.algorithms.size());
  for (std::uint32_t i = 0; i < list.algorithms.size(); i++) array.Set(i, toObject(env, list.algorithms[i]));
  auto object = Napi::Object::New(env);
  object.Set("netlink", list.netlink);
  object.Set("algorithms", array);
  return object;
}

Napi::Value setAlgorithmPriority(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  try {
    const os::PriorityChange change =
        os::setPriority(info[0].As<Napi::String>().Utf8Value(), info[1].As<Napi::Number>().Int32Value());
    auto object = Napi::Object::New(env);
    object.Set("before", change.before);
    object.Set("dropped", toArray(env, change.dropped));
    object.Set("inUse", toArray(env, change.inUse));
    return object;
  } catch (const os::OpenError& error) {
    auto thrown = Napi::Error::New(env, error.what());
    thrown.Set("code", Napi::String::New(env, error.code()));
    thrown.Set("subject", Napi::String::New(env, error.subject()));
    throw thrown;
  }
}

Napi::Value hasEngine(const Napi::CallbackInfo& info) {
  const std::string name = info[0].As<Napi::String>().Utf8Value();
  return Napi::Boolean::New(info.Env(), crypto::makeEngine(name) != nullptr);
}

}  // namespace gatehouse::addon
