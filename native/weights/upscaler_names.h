// The names of upscalers of ESRGAN's kind (RRDBNet): Real-ESRGAN's, ESRGAN's and those that ESRGAN had at first, under
// `upscaler.` as Real-ESRGAN has them.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace nd::weights {

// The canonical name of each of a file's names that is known; empty where the file is no such upscaler. Throws
// UNKNOWN_ARCHITECTURE for upscalers of other kinds. `path` is for messages.
std::map<std::string, std::string> upscaler_names(const std::vector<std::string>& names, const std::string& path);

}  // namespace nd::weights
