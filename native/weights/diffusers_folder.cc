// Reads a model folder as diffusers' save_pretrained writes it: a folder for each component, with its config.json.
#include "native/weights/diffusers_folder.h"

#include <set>
#include <system_error>
#include <utility>

#include "native/error.h"
#include "native/weights/checks.h"
#include "native/weights/families.h"
#include "native/weights/tensor_file.h"

namespace nd::weights {

namespace {

struct Component {
    const char* folder;
    const char* weights[2];  // its weight files, the better one first
};

constexpr Component kFolders[] = {{"unet", {"diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin"}},
                                  {"vae", {"diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin"}},
                                  {"text_encoder", {"model.safetensors", "pytorch_model.bin"}},
                                  {"text_encoder_2", {"model.safetensors", "pytorch_model.bin"}}};

constexpr size_t kMaxTextBytes = 64u << 20;

bool exists(const std::string& path) {
    std::error_code ignored;
    return std::filesystem::exists(native_path(path), ignored);
}

std::string read_text(const std::string& path) {
    const MappedFile file(path);
    if (file.bytes().size() > kMaxTextBytes) {
        fail("FILE_INVALID", path, ": expected at most ", kMaxTextBytes, " bytes of text, got ", file.bytes().size());
    }
    return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

nlohmann::json read_json(const std::string& path) {
    return parse_object(read_text(path), path);
}

void add_weights(DiffusersFolder& folder, const std::string& path, const std::string& prefix) {
    TensorFile opened = open_tensor_file(path);
    folder.files.push_back(std::move(opened.file));
    FileContents& contents = opened.contents;
    for (auto& [name, tensor] : contents.tensors) {
        if (!folder.contents.tensors.emplace(prefix + name, std::move(tensor)).second) {
            fail("FILE_INVALID", path, ": tensor ", printable(name), " is in another file of the model as well");
        }
    }
    for (auto& [name, type] : contents.unreadable) folder.contents.unreadable.emplace(prefix + name, std::move(type));
    for (auto& bytes : contents.owned) folder.contents.owned.push_back(std::move(bytes));
}

// {"weight_map": {tensor: file}}
void add_shards(DiffusersFolder& folder, const std::string& directory, const std::string& index,
                const std::string& prefix) {
    const nlohmann::json json = read_json(index);
    const auto map = json.find("weight_map");
    if (map == json.end() || !map->is_object()) fail("FILE_INVALID", index, ": expected an object weight_map");
    std::set<std::string> shards;
    for (const auto& [name, file] : map->items()) {
        const std::string shard = file.is_string() ? file.get<std::string>() : "";
        // A name with a folder in it could point anywhere on the machine.
        if (shard.empty() || shard == ".." || shard.find_first_of("/\\:") != std::string::npos) {
            fail("FILE_INVALID", index, ": expected a file name for tensor ", printable(name), ", got ",
                 printable(file.dump()));
        }
        shards.insert(shard);
    }
    for (const std::string& shard : shards) add_weights(folder, directory + "/" + shard, prefix);
    for (const auto& [name, file] : map->items()) {
        const std::string full = prefix + name;
        if (!folder.contents.tensors.count(full) && !folder.contents.unreadable.count(full)) {
            fail("FILE_INVALID", index, ": tensor ", printable(name), " is in none of the files");
        }
    }
}

bool add_component(DiffusersFolder& folder, const std::string& directory, const Component& component) {
    const std::string prefix = std::string(component.folder) + ".";
    for (const std::filesystem::path weights : component.weights) {
        const std::string stem = directory + "/" + weights.stem().string(), ending = weights.extension().string();
        for (const std::string variant : {"", ".fp16"}) {
            const std::string file = stem + variant + ending;
            if (exists(file)) return add_weights(folder, file, prefix), true;
            for (const std::string& index : {file + ".index.json", stem + ending + ".index" + variant + ".json"}) {
                if (exists(index)) return add_shards(folder, directory, index, prefix), true;
            }
        }
    }
    return false;
}

// Drops the first line of merges.txt, "#version: 0.2", and carriage returns.
std::string read_merges(const std::string& path) {
    std::string text = read_text(path);
    if (text.starts_with("#version")) text.erase(0, std::min(text.find('\n'), text.size() - 1) + 1);
    std::erase(text, '\r');
    return text;
}

void refuse_other_families(const std::string& path) {
    for (const char* part : {"transformer", "prior", "text_encoder_3"}) {
        if (!exists(path + "/" + part)) continue;
        std::string kind = "a model of another family";
        if (exists(path + "/model_index.json")) {
            const nlohmann::json index = read_json(path + "/model_index.json");
            const auto name = index.find("_class_name");
            if (name != index.end() && name->is_string()) kind = printable(name->get<std::string>());
        }
        fail("UNKNOWN_ARCHITECTURE", path, ": expected ", supported_families(), ", but the folder holds ", part,
             "/, as ", kind, " does");
    }
}

// A network's own folder, or that of a DDPM pipeline, which keeps its only network and the scheduler's configuration at
// the top.
bool add_bare_network(DiffusersFolder& folder, const std::string& path) {
    if (!exists(path + "/config.json")) return false;
    nlohmann::json config = read_json(path + "/config.json");
    const auto kind = config.find("_class_name");
    if (kind == config.end()) return false;
    const bool is_unet = *kind == "UNet2DModel" || *kind == "UNet2DConditionModel" || *kind == "ControlNetModel";
    if (!is_unet && *kind != "AutoencoderKL" && *kind != "AutoencoderTiny") return false;
    const Component& component = kFolders[is_unet ? 0 : 1];
    folder.config[component.folder] = std::move(config);
    return add_component(folder, path, component);
}

}  // namespace

DiffusersFolder read_diffusers_folder(const std::string& path) {
    refuse_other_families(path);
    DiffusersFolder folder;
    folder.config = nlohmann::json::object();
    if (exists(path + "/model_index.json")) folder.config["model_index"] = read_json(path + "/model_index.json");
    bool found = false;
    for (const Component& component : kFolders) {
        const std::string directory = path + "/" + component.folder;
        if (!exists(directory)) continue;
        found = add_component(folder, directory, component) || found;
        if (exists(directory + "/config.json")) folder.config[component.folder] = read_json(directory + "/config.json");
    }
    found = found || add_bare_network(folder, path);
    if (!found) {
        fail("UNKNOWN_ARCHITECTURE", path, ": expected a diffusers folder with unet/, vae/ or text_encoder/ and their ",
             "weights inside, or with the config.json and weights of a UNet or a VAE");
    }
    for (const char* scheduler : {"/scheduler/scheduler_config.json", "/scheduler_config.json"}) {
        if (!exists(path + scheduler)) continue;
        folder.config["scheduler"] = read_json(path + scheduler);
        break;
    }
    // A refiner has the second tokenizer alone; the two have the same vocabulary.
    for (const char* merges : {"/tokenizer/merges.txt", "/tokenizer_2/merges.txt"}) {
        if (!exists(path + merges)) continue;
        folder.merges = read_merges(path + merges);
        break;
    }
    return folder;
}

}  // namespace nd::weights
