#include "native/weights/prediction_marks.h"

namespace nd::weights {

nlohmann::json prediction_marks(const FileContents& contents) {
    const auto has = [&](const char* name) {
        return contents.tensors.count(name) > 0 || contents.unreadable.count(name) > 0;
    };
    if (has("v_pred")) return {{"prediction_type", "v_prediction"}, {"rescale_betas_zero_snr", has("ztsnr")}};
    for (const char* key : {"modelspec.prediction_type", "modelspec.predict_key"}) {
        const auto found = contents.metadata.find(key);
        if (found == contents.metadata.end()) continue;
        if (found->second == "v") return {{"prediction_type", "v_prediction"}};
        if (found->second == "epsilon") return {{"prediction_type", "epsilon"}};
    }
    return nlohmann::json::object();
}

}  // namespace nd::weights
