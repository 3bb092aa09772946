// A model on disk, whatever its format: tensors under canonical names, and the configuration that came with them.
#include "native/weights/model_file.h"

#include <system_error>
#include <utility>

#include "native/error.h"
#include "native/weights/checks.h"
#include "native/weights/diffusers_folder.h"
#include "native/weights/gguf.h"
#include "native/weights/mapped_file.h"
#include "native/weights/names.h"
#include "native/weights/prediction_marks.h"
#include "native/weights/safetensors.h"

namespace nd::weights {

namespace {

constexpr const char* kConfigKey = "node-diffusion.config";
constexpr const char* kMergesKey = "node-diffusion.merges";

bool starts_with(const MappedFile& file, std::string_view magic) {
    return file.bytes().size() >= magic.size() &&
           std::string_view(reinterpret_cast<const char*>(file.bytes().data()), magic.size()) == magic;
}

// Says what a file is that is neither safetensors nor GGUF, and what to do about it.
[[noreturn]] void refuse(const MappedFile& file) {
    const std::string& path = file.path();
    if (starts_with(file, "PK\x03\x04") || starts_with(file, "\x80\x02")) {
        fail("UNSUPPORTED_TYPE", path,
             ": a PyTorch checkpoint (.ckpt, .pt, .bin) can run code when it is read and is not supported: ",
             "convert it to .safetensors first");
    }
    if (starts_with(file, "version https://git-lfs")) {
        fail("FILE_INVALID", path, ": this is a Git LFS pointer, not the model itself: fetch it with `git lfs pull`");
    }
    const auto* text = reinterpret_cast<const char*>(file.bytes().data());
    fail("FILE_INVALID", path, ": expected a .safetensors or .gguf file, got ", file.bytes().size(),
         " bytes that begin with '", printable({text, std::min<size_t>(16, file.bytes().size())}), "'");
}

// Sees to it that every key is there, each an object.
nlohmann::json complete_config(nlohmann::json config, const std::string& what) {
    for (const char* key : {"unet", "vae", "text_encoder", "scheduler", "defaults"}) {
        nlohmann::json& part = config[key];
        if (part.is_null()) part = nlohmann::json::object();
        if (!part.is_object())
            fail("FILE_INVALID", what, ": expected ", key, " to be an object, got ", part.type_name());
    }
    return config;
}

bool has_prefix(const TensorMap& map, const std::string& prefix) {
    const auto found = map.lower_bound(prefix);
    return found != map.end() && found->first.starts_with(prefix);
}

}  // namespace

ModelFile::ModelFile() = default;
ModelFile::ModelFile(ModelFile&&) noexcept = default;
ModelFile& ModelFile::operator=(ModelFile&&) noexcept = default;
ModelFile::~ModelFile() = default;

ModelFile ModelFile::open(const std::string& path) {
    ModelFile model;
    model.path_ = path;
    try {
        std::error_code ignored;
        const bool has_nul = path.find('\0') != std::string::npos;
        if (!has_nul && std::filesystem::is_directory(native_path(path), ignored)) {
            model.open_folder();
        } else {
            model.open_single_file();
        }
    } catch (const Error&) {
        throw;
    } catch (const std::bad_alloc&) {
        fail("OUT_OF_MEMORY", path, ": the header needs more memory than there is");
    } catch (const std::exception& error) {
        fail("FILE_INVALID", path, ": ", printable(error.what()));
    }
    model.check_components();
    return model;
}

void ModelFile::open_folder() {
    format_ = "diffusers";
    DiffusersFolder folder = read_diffusers_folder(path_);
    take(with_canonical_names(std::move(folder.contents), path_));
    files_ = std::move(folder.files);
    merges_ = std::move(folder.merges);
    config_ = complete_config(std::move(folder.config), path_);
}

void ModelFile::open_single_file() {
    files_.push_back(std::make_unique<MappedFile>(path_));
    const MappedFile& file = *files_.back();
    FileContents contents;
    if (looks_like_gguf(file)) {
        format_ = "gguf";
        contents = read_gguf(file);
    } else if (looks_like_safetensors(file)) {
        format_ = "safetensors";
        contents = read_safetensors(file);
    } else {
        refuse(file);
    }
    const nlohmann::json marks = prediction_marks(contents);
    contents = with_canonical_names(std::move(contents), path_);
    const std::string what = path_ + ": metadata " + kConfigKey;
    const auto config = contents.metadata.find(kConfigKey);
    config_ = complete_config(
        config == contents.metadata.end() ? nlohmann::json::object() : parse_object(config->second, what), what);
    for (const auto& [key, value] : marks.items()) config_["scheduler"].emplace(key, value);  // never over its own
    const auto merges = contents.metadata.find(kMergesKey);
    if (merges != contents.metadata.end()) merges_ = merges->second;
    take(std::move(contents));
}

void ModelFile::take(FileContents contents) {
    tensors_ = std::move(contents.tensors);
    unreadable_ = std::move(contents.unreadable);
}

// A component whose every tensor is of a type that cannot be read would look like one that is not there.
void ModelFile::check_components() const {
    for (const auto& [name, type] : unreadable_) {
        for (const char* prefix : kComponents) {
            if (name.starts_with(prefix) && !has_component(prefix)) at(name);
        }
    }
}

const TensorSource* ModelFile::find(const std::string& name) const {
    const auto found = tensors_.find(name);
    return found == tensors_.end() ? nullptr : &found->second;
}

const TensorSource& ModelFile::at(const std::string& name) const {
    if (const TensorSource* tensor = find(name)) return *tensor;
    const auto unreadable = unreadable_.find(name);
    if (unreadable != unreadable_.end()) {
        fail("UNSUPPORTED_TYPE", path_, ": tensor ", printable(name), " is stored as ", unreadable->second,
             ": expected F32, F16, BF16 or a quantised type of GGUF");
    }
    fail("MISSING_TENSOR", path_, ": the model needs the tensor ", printable(name), ", which the file does not have");
}

bool ModelFile::has(const std::string& name) const {
    return tensors_.count(name) > 0 || unreadable_.count(name) > 0;
}

bool ModelFile::has_component(const std::string& prefix) const {
    return has_prefix(tensors_, prefix);
}

void ModelFile::release_pages() const {
    for (const auto& file : files_) file->release();
}

}  // namespace nd::weights
