#include "pipeline/do-nothing-engine.h"

namespace gatehouse::pipeline {
namespace {

class NoKey : public crypto::Key {
 public:
  NoKey(const crypto::Transform& transform, crypto::Direction direction) : Key(transform, direction) {}
};

class NoContext : public crypto::Context {
 public:
  void seal(std::span<crypto::Job> jobs) noexcept override {
    for (crypto::Job& job : jobs) job.status = crypto::Status::ok;
  }
  void open(std::span<crypto::Job> jobs) noexcept override { seal(jobs); }
};

class NoEngine : public crypto::Engine {
 public:
  [[nodiscard]] std::string_view name() const noexcept override { return doNothing; }
  [[nodiscard]] std::string description() const override { return "NO ENCRYPTION, for measuring only"; }
  [[nodiscard]] bool supports(const crypto::Transform& /*transform*/) const noexcept override { return true; }
  [[nodiscard]] std::unique_ptr<crypto::Key> expand(const crypto::Transform& transform, crypto::Direction direction,
                                                    std::span<const std::uint8_t> /*cipherKey*/,
                                                    std::span<const std::uint8_t> /*integrityKey*/) const override {
    return std::make_unique<NoKey>(transform, direction);
  }
  [[nodiscard]] std::unique_ptr<crypto::Context> makeContext() override { return std::make_unique<NoContext>(); }
};

}  // namespace

std::unique_ptr<crypto::Engine> makeDoNothingEngine() { return std::make_unique<NoEngine>(); }

}  // namespace gatehouse::pipeline
