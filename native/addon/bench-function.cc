// The benchmark's results as JavaScript values.
#include "addon/bench-function.h"

#include <stdexcept>
#include <string>
#include <vector>

#include "addon/values.h"
#include "bench/bench.h"
#include "bench/flood.h"
#include "bench/tun-reader.h"

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
  object.Set("ratioSpread", result.ratioSpread);
  object.Set("processorShare", result.processorShare);
  object.Set("loaded", result.loaded);
  return object;
}

/// Absent: empty, which is all of them.
std::vector<std::string> texts(const Napi::Value& given) {
  std::vector<std::string> list;
  if (!given.IsArray()) return list;
  const auto array = given.As<Napi::Array>();
  for (std::uint32_t i = 0; i < array.Length(); i++) list.push_back(array.Get(i).As<Napi::String>().Utf8Value());
  return list;
}

bench::FloodOptions floodOf(const Napi::Object& given) {
  const auto endpoint = [&](const char* name) {
    const auto object = given.Get(name).As<Napi::Object>();
    return os::Endpoint{addressOf(object.Get("address")), static_cast<std::uint16_t>(numberOf(object.Get("port")))};
  };
  const auto number = [&](const char* name) { return numberOf(given.Get(name)); };
  const auto octets = [&](const char* name) {
    const auto span = octetsOf(given.Get(name));
    return std::vector<std::uint8_t>(span.begin(), span.end());
  };
  bench::FloodOptions options;
  options.sealed = given.Get("sealed").ToBoolean().Value();
  options.path = {endpoint("local"), endpoint("remote")};
  options.octets = number("octets");
  options.together = number("together");
  options.milliseconds = number("milliseconds");
  if (options.sealed) {
    options.spi = number("spi");
    options.sent = static_cast<std::uint64_t>(given.Get("sent").As<Napi::Number>().Int64Value());
    options.algorithm = given.Get("algorithm").As<Napi::String>().Utf8Value();
    options.cipherKey = octets("cipherKey");
    options.integrityKey = octets("integrityKey");
    options.tunnel = static_cast<std::uint16_t>(number("tunnel"));
    options.session = static_cast<std::uint16_t>(number("session"));
    options.source = addressOf(given.Get("source"));
    options.destination = addressOf(given.Get("destination"));
    options.flows = number("flows");
  }
  return options;
}

}  // namespace

Napi::Value benchEngines(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  const auto given = info[0].As<Napi::Object>();
  auto progress = info[1].As<Napi::Function>();
  bench::Options options;
  options.milliseconds = given.Get("milliseconds").As<Napi::Number>().Uint32Value();
  options.repeats = given.Get("repeats").As<Napi::Number>().Uint32Value();
  if (const auto count = given.Get("securityAssociations"); count.IsNumber())
    options.securityAssociations = count.As<Napi::Number>().Uint32Value();
  if (const auto count = given.Get("batch"); count.IsNumber()) options.batch = count.As<Napi::Number>().Uint32Value();
  options.loaded = given.Get("loaded").ToBoolean().Value();
  if (given.Get("sizes").IsArray()) {
    const auto sizes = given.Get("sizes").As<Napi::Array>();
    for (std::uint32_t i = 0; i < sizes.Length(); i++)
      options.sizes.push_back(sizes.Get(i).As<Napi::Number>().Uint32Value());
  }
  options.engines = texts(given.Get("engines"));
  options.algorithms = texts(given.Get("algorithms"));
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
  } catch (const std::logic_error& error) {
    throw Napi::Error::New(env, error.what());
  }
}

Napi::Value benchFlood(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  const bench::FloodOptions options = floodOf(info[0].As<Napi::Object>());
  try {
    const bench::Flooded flooded = bench::flood(options);
    auto result = Napi::Object::New(env);
    result.Set("packets", static_cast<double>(flooded.packets));
    result.Set("wallSeconds", flooded.wallSeconds);
    result.Set("processorSeconds", flooded.processorSeconds);
    return result;
  } catch (const os::OpenError& error) {
    throw toJs(env, error);
  } catch (const std::logic_error& error) {
    throw Napi::Error::New(env, error.what());
  }
}

Napi::Value benchTunReader(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  const auto given = info[0].As<Napi::Object>();
  os::TunOptions device;
  device.name = given.Get("name").As<Napi::String>().Utf8Value();
  device.address = addressOf(given.Get("address"));
  device.prefix = static_cast<std::uint8_t>(numberOf(given.Get("prefix")));
  try {
    const bench::TunRead read = bench::readTun(device, floodOf(info[1].As<Napi::Object>()));
    auto result = Napi::Object::New(env);
    result.Set("packets", static_cast<double>(read.packets));
    result.Set("processorSeconds", read.processorSeconds);
    return result;
  } catch (const os::OpenError& error) {
    throw toJs(env, error);
  } catch (const std::logic_error& error) {
    throw Napi::Error::New(env, error.what());
  }
}

}  // namespace gatehouse::addon
