#include "addon/notify-function.h"

#include "linux/sd-notify.h"

namespace gatehouse::addon {

Napi::Value notifyManager(const Napi::CallbackInfo& info) {
  const std::string socket = info[0].As<Napi::String>();
  const std::string assignments = info[1].As<Napi::String>();
  return Napi::String::New(info.Env(), os::notifyManager(socket, assignments));
}

}  // namespace gatehouse::addon
