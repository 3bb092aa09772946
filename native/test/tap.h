// A test harness of a few lines: TEST registers a function, CHECK counts, main.cc prints TAP.
#pragma once

#include <functional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace nd::test {

struct Test {
    std::string name;
    std::function<void()> body;
};

inline std::vector<Test>& tests() {
    static std::vector<Test> list;
    return list;
}

// The failures of the test that runs now.
inline std::vector<std::string>& failures() {
    static std::vector<std::string> list;
    return list;
}

inline int add(std::string name, std::function<void()> body) {
    tests().push_back({std::move(name), std::move(body)});
    return 0;
}

template <typename... Parts>
void check(bool ok, const char* file, int line, Parts&&... parts) {
    if (ok) return;
    std::ostringstream text;
    text << file << ":" << line << ": ";
    (text << ... << std::forward<Parts>(parts));
    failures().push_back(text.str());
}

}  // namespace nd::test

#define ND_JOIN2(a, b) a##b
#define ND_JOIN(a, b) ND_JOIN2(a, b)
// TEST("what is true") { CHECK(...); }
#define TEST(name)                                                                                         \
    static void ND_JOIN(nd_test_, __LINE__)();                                                             \
    static const int ND_JOIN(nd_registered_, __LINE__) = nd::test::add(name, ND_JOIN(nd_test_, __LINE__)); \
    static void ND_JOIN(nd_test_, __LINE__)()
// CHECK(condition, parts of a message...)
#define CHECK(condition, ...) \
    nd::test::check((condition), __FILE__, __LINE__, #condition " " __VA_OPT__(, ) __VA_ARGS__)
