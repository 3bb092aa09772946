// What the system says of an error, as UTF-8.
#include "native/weights/system_reason.h"

#ifdef _WIN32
#include <iterator>

#include "native/weights/windows.h"
#else
#include <system_error>
#endif

namespace nd::weights {

#ifdef _WIN32

// Not std::system_category(): its text is in the language of the user, but in the code page of the machine.
std::string system_reason(int code) {
    wchar_t text[512];
    DWORD length =
        FormatMessageW(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS | FORMAT_MESSAGE_MAX_WIDTH_MASK,
                       nullptr, static_cast<DWORD>(code), 0, text, static_cast<DWORD>(std::size(text)), nullptr);
    while (length > 0 && (text[length - 1] == L' ' || text[length - 1] == L'.')) length--;
    if (length == 0) return "error " + std::to_string(code);
    char utf8[3 * std::size(text)];
    const int bytes = WideCharToMultiByte(CP_UTF8, 0, text, static_cast<int>(length), utf8,
                                          static_cast<int>(std::size(utf8)), nullptr, nullptr);
    return {utf8, static_cast<size_t>(bytes)};
}

#else

std::string system_reason(int code) {
    return std::system_category().message(code);
}

#endif

}  // namespace nd::weights
