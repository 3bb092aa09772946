// A model on disk, whatever its format: tensors under canonical names, and the configuration that came with them.
#include "native/weights/model_file.h"

#include <system_error>
#include <utility>

#include "native/error.h"
#include "native/weights/checks.h"
#include "native/weights/diffusers_folder.h"
#include "native/weights/mapped_file.h"
#include "native/weights/names.h"
#include "native/weights/prediction_marks.h"
#include "native/weights/tensor_file.h"

namespace nd::weights {

namespace {

// Sees to it that every key is there, each an object.
nlohmann::json complete_config(nlohmann::json config, const std::string& what) {
    for (const char* key : {"unet", "vae", "text_encoder", "text_encoder_2", "scheduler", "model_index", "defaults"}) {
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

ModelFile::ModelFile(std::string path) : path_(std::move(path)) {}
ModelFile::ModelFile(ModelFile&&) noexcept = default;
ModelFile& ModelFile::operator=(ModelFile&&) noexcept = default;
ModelFile::~ModelFile() = default;

// The model of `path` that `read` fills, whose every failure is an Error.
template <typename Read>
ModelFile ModelFile::guarded(const std::string& path, const Read& read) {
    ModelFile model(path);
    try {
        read(model);
    } catch (const Error&) {
        throw;
    } catch (const std::bad_alloc&) {
        fail("OUT_OF_MEMORY", path, ": the header needs more memory than there is");
    } catch (const std::exception& error) {
        fail("FILE_INVALID", path, ": ", printable(error.what()));
    }
    model.check_whole();
    model.check_components();
    return model;
}

ModelFile ModelFile::open(const std::string& path) {
    return guarded(path, [&](ModelFile& model) {
        std::error_code ignored;
        const bool has_nul = path.find('\0') != std::string::npos;
        if (!has_nul && std::filesystem::is_directory(native_path(path), ignored)) {
            model.read_folder();
        } else {
            model.read_single_file(MappedFile(path));
        }
    });
}

ModelFile ModelFile::read(MappedFile file) {
    const std::string path = file.path();
    return guarded(path, [&](ModelFile& model) { model.read_single_file(std::move(file)); });
}

void ModelFile::read_folder() {
    format_ = "diffusers";
    DiffusersFolder folder = read_diffusers_folder(path_);
    take(with_canonical_names(std::move(folder.contents), path_));
    files_ = std::move(folder.files);
    merges_ = std::move(folder.merges);
    config_ = complete_config(std::move(folder.config), path_);
}

void ModelFile::read_single_file(MappedFile file) {
    TensorFile opened = read_tensor_file(std::move(file));
    format_ = opened.format;
    files_.push_back(std::move(opened.file));
    const nlohmann::json marks = prediction_marks(opened.contents);
    FileContents contents = with_canonical_names(std::move(opened.contents), path_);
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
    owned_ = std::move(contents.owned);
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

std::vector<std::string> ModelFile::unreadable_names() const {
    std::vector<std::string> names;
    for (const auto& [name, type] : unreadable_) names.push_back(name);
    return names;
}

bool ModelFile::has_component(const std::string& prefix) const {
    return has_prefix(tensors_, prefix);
}

std::string ModelFile::fingerprint() const {
    std::string text;
    for (const auto& file : files_) {
        std::error_code ignored;
        const auto time = std::filesystem::last_write_time(native_path(file->path()), ignored);
        text += file->path() + ' ' + std::to_string(file->bytes().size()) + ' ' +
                std::to_string(static_cast<int64_t>(time.time_since_epoch().count())) + '\n';
    }
    return text;
}

void ModelFile::check_whole() const {
    for (const auto& file : files_) file->check_whole();
}

void ModelFile::release_pages() const {
    for (const auto& file : files_) file->release();
}

}  // namespace nd::weights
