// What the system says of an error, as UTF-8.
#pragma once

#include <string>

namespace nd::weights {

// `code` is errno, or Windows' GetLastError().
std::string system_reason(int code);

}  // namespace nd::weights
