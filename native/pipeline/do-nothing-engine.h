// An engine that encrypts nothing: with it a tunnel does all the rest of its work, which is the limit that `bench throughput` compares with.
// It is only had by its name, and no configuration can say that name.
#pragma once

#include <memory>

#include "crypto/engine.h"

namespace gatehouse::pipeline {

constexpr std::string_view doNothing = "do-nothing";

std::unique_ptr<crypto::Engine> makeDoNothingEngine();

}  // namespace gatehouse::pipeline
