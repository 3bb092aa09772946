#include "native/addon/failure.h"

#include <new>
#include <stdexcept>
#include <system_error>

#include "native/error.h"

namespace nd::addon {

Napi::Error make_error(Napi::Env env, const std::string& code, const std::string& message) {
    Napi::Error error = Napi::Error::New(env, message);
    error.Set("code", Napi::String::New(env, code));
    return error;
}

Failure Failure::of(const std::exception_ptr& error) noexcept {
    Failure failure;
    try {
        try {
            std::rethrow_exception(error);
        } catch (const Error& known) {
            failure.code = known.code();
            failure.message = known.what();
        } catch (const std::bad_alloc&) {
            failure.code = "OUT_OF_MEMORY";
            failure.message = "memory for the call could not be allocated";
        } catch (const std::length_error&) {
            failure.code = "OUT_OF_MEMORY";
            failure.message = "the call needs more memory than can be addressed";
        } catch (const std::exception& other) {
            failure.message = other.what();
        } catch (...) {
            failure.message = "an unknown exception";
        }
    } catch (...) {
        failure.message.clear();
    }
    return failure;
}

}  // namespace nd::addon
