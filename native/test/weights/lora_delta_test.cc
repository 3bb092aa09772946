// What a layer of a LoRA's file is taken for.
#include "native/weights/lora_delta.h"

#include "native/test/weights/model_files.h"

using namespace nd::test;
using namespace nd::weights;

TEST("lora delta: a layer of several kinds at once is of low rank only where its change is") {
    const TemporaryFolder folder;
    const auto values = noise(8 * 2, 1);
    std::vector<TestTensor> tensors;
    for (const char* role : {"lora_up.weight", "hada_w1_a", "hada_w2_a"})
        tensors.push_back(floats(std::string("lora_unet_conv_in.") + role, {8, 2}, values));
    for (const char* role : {"lora_down.weight", "hada_w1_b", "hada_w2_b"})
        tensors.push_back(floats(std::string("lora_unet_conv_in.") + role, {2, 8}, values));
    const WeightStore::Extent extent{8, 1, 8, true, false};
    for (const bool both : {true, false}) {
        std::vector<TestTensor> some;
        for (const auto& tensor : tensors) {
            if (both || tensor.name.find("hada") == std::string::npos) some.push_back(tensor);
        }
        const LoraFile file(folder.write("lora.safetensors", safetensors(some)));
        const LoraLayer& layer = file.layers().begin()->second;
        const bool low = LoraDelta(file, layer, extent, false).low_rank() != nullptr;
        CHECK(low == !both && is_low_rank(layer, false) == low);
    }
}
