// As much of a test framework as these tests need: tests register themselves, a failed check says where and with what values.
#pragma once

#include <cstdint>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace gatehouse::test {

struct Test {
  const char* name;
  void (*run)();
};

/// All tests of the executable, in the order of their registration.
std::vector<Test>& tests();

struct Registration {
  Registration(const char* name, void (*run)()) { tests().push_back({name, run}); }
};

/// Notes a failure of the running test; it goes on. From any thread.
void fail(const char* file, int line, const std::string& what);

/// What failures of the running test are said to be about, until it is told anew; empty: nothing.
void about(const std::string& what);

/// Where a captures folder is beside the checkout, or empty.
std::string capturesFolder();

/// Says by name that the running test did not run, and why.
void skip(const std::string& why);

using Octets = std::vector<std::uint8_t>;

/// Spaces are ignored.
Octets fromHex(std::string_view hex);
std::string toHex(const std::uint8_t* data, std::size_t length);
inline std::string toHex(const Octets& octets) { return toHex(octets.data(), octets.size()); }

template <typename T>
std::string show(const T& value) {
  if constexpr (std::is_same_v<T, Octets>) {
    return toHex(value);
  } else if constexpr (std::is_enum_v<T>) {
    return std::to_string(static_cast<long long>(value));
  } else if constexpr (requires(std::ostringstream out) { out << value; }) {
    std::ostringstream out;
    out << std::boolalpha << value;
    return out.str();
  } else {
    return "(value)";
  }
}

template <typename A, typename B>
void checkEqual(const char* file, int line, const char* expression, const A& found, const B& wanted) {
  if (found == wanted) return;
  fail(file, line, std::string(expression) + "\n      found  " + show(found) + "\n      wanted " + show(wanted));
}

}  // namespace gatehouse::test

#define GATEHOUSE_JOIN2(a, b) a##b
#define GATEHOUSE_JOIN(a, b) GATEHOUSE_JOIN2(a, b)

#define TEST(name)                                                                                                     \
  static void GATEHOUSE_JOIN(test, __LINE__)();                                                                        \
  static const ::gatehouse::test::Registration GATEHOUSE_JOIN(registration, __LINE__)(name,                            \
                                                                                      GATEHOUSE_JOIN(test, __LINE__)); \
  static void GATEHOUSE_JOIN(test, __LINE__)()

#define CHECK(condition)                                                       \
  do {                                                                         \
    if (!(condition)) ::gatehouse::test::fail(__FILE__, __LINE__, #condition); \
  } while (false)

#define CHECK_EQUAL(found, wanted) ::gatehouse::test::checkEqual(__FILE__, __LINE__, #found, (found), (wanted))

#define CHECK_THROWS(expression, type)                                                              \
  do {                                                                                              \
    bool thrown = false;                                                                            \
    try {                                                                                           \
      (void)(expression);                                                                           \
    } catch (const type&) {                                                                         \
      thrown = true;                                                                                \
    }                                                                                               \
    if (!thrown) ::gatehouse::test::fail(__FILE__, __LINE__, #expression " does not throw " #type); \
  } while (false)
