// The one exception type of the engine: a code from lib/errors.ts and a sentence for a person.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>

namespace nd {

class Error : public std::runtime_error {
  public:
    Error(const char* code, const std::string& message) : std::runtime_error(message), code_(code) {}

    // One of the codes in lib/errors.ts.
    const char* code() const { return code_; }

  private:
    const char* code_;
};

// Throws Error{code, parts...}: fail("FILE_INVALID", path, ": expected ", n, " bytes").
template <typename... Parts>
[[noreturn]] void fail(const char* code, Parts&&... parts) {
    std::ostringstream text;
    (text << ... << std::forward<Parts>(parts));
    throw Error(code, text.str());
}

}  // namespace nd
