// What a C++ exception becomes in JavaScript: an Error with a code of lib/errors.ts. None may leave the addon as it is.
#pragma once

#include <napi.h>

#include <exception>
#include <string>
#include <utility>

namespace nd::addon {

// A JavaScript Error with the `code` of lib/errors.ts.
Napi::Error make_error(Napi::Env env, const std::string& code, const std::string& message);

// An exception as code and message. Making one never throws: where there is no memory for the message, it is left out.
struct Failure {
    const char* code = "COMPUTE_FAILED";
    std::string message;

    static Failure of(const std::exception_ptr& error) noexcept;
};

// Runs `call`, whose exceptions of C++ become JavaScript's; those of JavaScript pass through.
template <typename Call>
Napi::Value guarded(Napi::Env env, Call&& call) {
    try {
        return std::forward<Call>(call)();
    } catch (const Napi::Error&) {
        throw;
    } catch (...) {
        const Failure failure = Failure::of(std::current_exception());
        throw make_error(env, failure.code, failure.message);
    }
}

// A function of the addon, guarded.
template <Napi::Value (*function)(const Napi::CallbackInfo&)>
Napi::Value guarded(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&] { return function(info); });
}

}  // namespace nd::addon
