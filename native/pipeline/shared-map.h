// A hash map that one control thread changes while workers look things up without a lock. What is taken out goes to the epoch domain.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "esp/epoch.h"

namespace gatehouse::pipeline {

/// Values are not owned. Only the control thread may call insert() and erase(); find() may be called by it, or by a worker inside an epoch.
template <typename Key, typename Value, typename Hash>
class SharedMap {
 public:
  explicit SharedMap(esp::EpochDomain& domain) : domain_(domain), buckets_(new Buckets(16)) {}
  ~SharedMap() {
    Buckets* buckets = buckets_.load(std::memory_order_relaxed);
    for (auto& head : buckets->heads) {
      for (Node* node = head.load(std::memory_order_relaxed); node != nullptr;)
        delete std::exchange(node, node->next.load(std::memory_order_relaxed));
    }
    delete buckets;
  }
  SharedMap(const SharedMap&) = delete;
  SharedMap& operator=(const SharedMap&) = delete;

  [[nodiscard]] Value* find(const Key& key) const {
    const Buckets* buckets = buckets_.load(std::memory_order_acquire);
    for (const Node* node = buckets->heads[Hash{}(key)&buckets->mask()].load(std::memory_order_acquire);
         node != nullptr; node = node->next.load(std::memory_order_acquire)) {
      if (node->key == key) return node->value;
    }
    return nullptr;
  }

  /// False if the key is taken.
  [[nodiscard]] bool insert(const Key& key, Value* value) {
    if (find(key) != nullptr) return false;
    if (size_ >= buckets_.load(std::memory_order_relaxed)->heads.size()) grow();
    link(*buckets_.load(std::memory_order_relaxed), std::make_unique<Node>(key, value));
    size_ += 1;
    return true;
  }

  /// False if there is none.
  bool erase(const Key& key) {
    Buckets* buckets = buckets_.load(std::memory_order_relaxed);
    std::atomic<Node*>* from = &buckets->heads[Hash{}(key)&buckets->mask()];
    for (Node* node = from->load(std::memory_order_relaxed); node != nullptr;
         from = &node->next, node = from->load(std::memory_order_relaxed)) {
      if (!(node->key == key)) continue;
      from->store(node->next.load(std::memory_order_relaxed), std::memory_order_release);
      domain_.retire(std::unique_ptr<Node>(node));
      size_ -= 1;
      return true;
    }
    return false;
  }

  [[nodiscard]] size_t size() const { return size_; }

 private:
  struct Node {
    Node(const Key& k, Value* v) : key(k), value(v) {}
    const Key key;
    Value* const value;
    std::atomic<Node*> next{nullptr};
  };
  struct Buckets {
    explicit Buckets(size_t count) : heads(count) {}
    [[nodiscard]] size_t mask() const { return heads.size() - 1; }
    std::vector<std::atomic<Node*>> heads;
  };

  static void link(Buckets& buckets, std::unique_ptr<Node> node) {
    auto& head = buckets.heads[Hash{}(node->key) & buckets.mask()];
    node->next.store(head.load(std::memory_order_relaxed), std::memory_order_relaxed);
    head.store(node.release(), std::memory_order_release);
  }

  // Readers may be walking the old chains, so all nodes are made anew.
  void grow() {
    Buckets* old = buckets_.load(std::memory_order_relaxed);
    auto larger = std::make_unique<Buckets>(old->heads.size() * 2);
    for (auto& head : old->heads) {
      for (Node* node = head.load(std::memory_order_relaxed); node != nullptr;
           node = node->next.load(std::memory_order_relaxed)) {
        link(*larger, std::make_unique<Node>(node->key, node->value));
      }
    }
    buckets_.store(larger.release(), std::memory_order_release);
    for (auto& head : old->heads) {
      for (Node* node = head.load(std::memory_order_relaxed); node != nullptr;) {
        domain_.retire(std::unique_ptr<Node>(std::exchange(node, node->next.load(std::memory_order_relaxed))));
      }
    }
    domain_.retire(std::unique_ptr<Buckets>(old));
  }

  esp::EpochDomain& domain_;
  std::atomic<Buckets*> buckets_;
  size_t size_ = 0;
};

/// A value that the control thread replaces as a whole while workers read it. The old one goes to the epoch domain.
template <typename T>
class Published {
 public:
  Published() = default;
  explicit Published(std::unique_ptr<const T> value) : value_(value.release()) {}
  ~Published() { delete value_.load(std::memory_order_relaxed); }
  Published(const Published&) = delete;
  Published& operator=(const Published&) = delete;

  [[nodiscard]] const T* get() const { return value_.load(std::memory_order_acquire); }
  void publish(esp::EpochDomain& domain, std::unique_ptr<const T> value) {
    std::unique_ptr<const T> old(value_.exchange(value.release(), std::memory_order_acq_rel));
    if (old) domain.retire(std::unique_ptr<T>(const_cast<T*>(old.release())));
  }

 private:
  std::atomic<const T*> value_{nullptr};
};

}  // namespace gatehouse::pipeline
