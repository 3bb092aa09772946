#include "native/weights/upscaler_names.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <string_view>
#include <utility>

#include "native/error.h"

namespace nd::weights {

namespace {

bool starts(const std::vector<std::string>& names, std::string_view prefix) {
    return std::any_of(names.begin(), names.end(), [&](const std::string& name) { return name.starts_with(prefix); });
}

// `text` with each `from` in it replaced.
std::string replaced(std::string text, std::string_view from, std::string_view to) {
    for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
        text.replace(at, from.size(), to);
    return text;
}

// Of ESRGAN's first names, "model.8.weight": 8, or -1.
int layer_number(std::string_view name) {
    constexpr std::string_view kModel = "model.";
    if (!name.starts_with(kModel)) return -1;
    name.remove_prefix(kModel.size());
    int number = -1;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    const std::string_view rest(end, static_cast<size_t>(name.data() + name.size() - end));
    return error == std::errc() && (rest == ".weight" || rest == ".bias") ? number : -1;
}

// ESRGAN's first names number all layers, upsamplings and activations among them: the last convolution is conv_last,
// the one before conv_hr, and one stands behind each upsampling.
std::map<std::string, std::string> numbered_names(const std::vector<std::string>& names) {
    std::set<int> numbers;
    for (const auto& name : names) {
        if (const int number = layer_number(name); number > 1) numbers.insert(number);
    }
    std::map<int, std::string> layers = {{0, "conv_first"}};
    int up = 1;
    for (auto at = numbers.begin(); at != numbers.end(); ++at) {
        const auto left = std::distance(at, numbers.end());
        layers[*at] = left == 1 ? "conv_last" : left == 2 ? "conv_hr" : "conv_up" + std::to_string(up++);
    }
    constexpr std::string_view kSub = "model.1.sub.";
    std::map<std::string, std::string> canonical;
    for (const auto& name : names) {
        const int number = layer_number(name);
        if (layers.contains(number)) {
            canonical[name] = "upscaler." + layers[number] + name.substr(name.rfind('.'));
        } else if (name.starts_with(kSub)) {
            const std::string rest = name.substr(kSub.size());
            const bool is_block = rest.find(".RDB") != std::string::npos;
            canonical[name] = is_block ? "upscaler.body." + replaced(replaced(rest, ".RDB", ".rdb"), ".0.", ".")
                                       : "upscaler.conv_body" + rest.substr(rest.find('.'));
        }
    }
    return canonical;
}

}  // namespace

std::map<std::string, std::string> upscaler_names(const std::vector<std::string>& names, const std::string& path) {
    const auto has = [&](const char* name) { return std::find(names.begin(), names.end(), name) != names.end(); };
    if (has("body.0.weight") && has("body.1.weight") && !starts(names, "conv_first.")) {
        fail("UNKNOWN_ARCHITECTURE", path,
             ": a compact upscaler (SRVGGNet), which is not supported: take one of ESRGAN's kind (RRDBNet)");
    }
    std::map<std::string, std::string> canonical;
    if (starts(names, "model.1.sub.0.RDB1.")) {
        canonical = numbered_names(names);
    } else if (starts(names, "RRDB_trunk.0.RDB1.") || starts(names, "body.0.rdb1.")) {
        constexpr std::pair<std::string_view, std::string_view> kOlder[] = {{"RRDB_trunk.", "body."},
                                                                            {".RDB", ".rdb"},
                                                                            {"trunk_conv.", "conv_body."},
                                                                            {"upconv", "conv_up"},
                                                                            {"HRconv", "conv_hr"}};
        for (const auto& name : names) {
            std::string renamed = name;
            for (const auto& [from, to] : kOlder) renamed = replaced(renamed, from, to);
            canonical[name] = "upscaler." + renamed;
        }
    }
    for (const auto& [name, to] : canonical) {
        if (name.find("conv1x1") == std::string::npos) continue;
        fail("UNKNOWN_ARCHITECTURE", path,
             ": an upscaler of ESRGAN+, which is not supported: take one of ESRGAN's kind");
    }
    return canonical;
}

}  // namespace nd::weights
