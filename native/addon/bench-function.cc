// The benchmark's results as JavaScript values.
#include "addon/bench-function.h"

#include <stdexcept>

#include "bench/bench.h"

namespace gatehouse::addon {

namespace {

Napi::Object toObject(Napi::Env env, const bench::Result& result) {
  auto object = Napi::Object::New(env);
  object.Set("engine", result.engine);
  object.Set("algorithm", result.algorithm);
  object.Set("direction", result.direction);
  object.Set("size", result.size);
  object.Set("gbps", result.gbps);
  object.Set("packetsPerSecond", result.packetsPerSecond);
  object.Set("spread", result.spread);
  object.Set("limitGbps", result.limitGbps);
  object.Set("ratio", result.ratio);
  return object;
}

}  // namespace

Napi::Value benchEngines(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  const auto given = info[0].As<Napi::Object>();
  auto progress = info[1].As<Napi::Function>();
  bench::Options options;
  options.milliseconds = given.Get("milliseconds").As<Napi::Number>().Uint32Value();
  options.repeats = given.Get("repeats").As<Napi::Number>().Uint32Value();
  options.progress = [&](std::size_t done, std::size_t all) {
    const Napi::HandleScope scope{env};
    const auto answer = progress.Call(
        {Napi::Number::New(env, static_cast<double>(done)), Napi::Number::New(env, static_cast<double>(all))});
    return !answer.IsBoolean() || answer.As<Napi::Boolean>().Value();
  };
  try {
    const auto results = bench::run(options);
    auto array = Napi::Array::New(env, results.size());
    for (std::uint32_t i = 0; i < results.size(); i++) array.Set(i, toObject(env, results[i]));
    return array;
  } catch (const std::invalid_argument& error) {
    throw Napi::Error::New(env, error.what());
  }
}

}  // namespace gatehouse::addon
