#include "addon/key-exchange-function.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "addon/values.h"
#include "crypto/key-exchange.h"

namespace gatehouse::addon {
namespace {

Napi::Uint8Array toJs(Napi::Env env, const std::vector<uint8_t>& octets) {
  auto array = Napi::Uint8Array::New(env, octets.size());
  std::copy(octets.begin(), octets.end(), array.Data());
  return array;
}

Napi::Value toJs(Napi::Env env, const std::optional<crypto::Exchanged>& exchanged) {
  if (!exchanged) return env.Undefined();
  Napi::Object object = Napi::Object::New(env);
  object.Set("publicValue", toJs(env, exchanged->publicValue));
  object.Set("shared", toJs(env, exchanged->shared));
  return object;
}

/// Deletes itself once its promise is settled.
class Job : public Napi::AsyncWorker {
 public:
  Job(Napi::Env env, std::string group, std::vector<uint8_t> peerPublic)
      : Napi::AsyncWorker(env, "gatehouse.exchangeKeys"),
        promise_(Napi::Promise::Deferred::New(env)),
        group_(std::move(group)),
        peerPublic_(std::move(peerPublic)) {}

  Napi::Promise promise() const { return promise_.Promise(); }

 protected:
  void Execute() override { result_ = crypto::exchangeKeys(group_, peerPublic_); }

  void OnOK() override { promise_.Resolve(toJs(Env(), result_)); }

  void OnError(const Napi::Error& error) override { promise_.Reject(error.Value()); }

 private:
  Napi::Promise::Deferred promise_;
  std::string group_;
  std::vector<uint8_t> peerPublic_;
  std::optional<crypto::Exchanged> result_;
};

}  // namespace

Napi::Value exchangeKeys(const Napi::CallbackInfo& info) {
  const auto octets = octetsOf(info[1]);
  auto* job = new Job(info.Env(), info[0].As<Napi::String>(), {octets.begin(), octets.end()});
  job->Queue();
  return job->promise();
}

Napi::Value exchangeKeysAtOnce(const Napi::CallbackInfo& info) {
  return toJs(info.Env(), crypto::exchangeKeys(info[0].As<Napi::String>().Utf8Value(), octetsOf(info[1])));
}

}  // namespace gatehouse::addon
