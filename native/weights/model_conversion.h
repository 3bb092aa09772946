// Writes a model as one file, GGUF or safetensors, in other number formats.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace nd::weights {

struct ConversionOptions {
    std::string type = "auto";                               // as LoadOptions::precision
    std::vector<std::pair<std::string, std::string>> rules;  // pattern and type: conversion_plan.h
    std::string vae;  // a file or folder whose VAE takes the place of the model's own; empty: none
    int threads = 1;
    const std::atomic<bool>* cancelled = nullptr;      // polled; throws ABORTED
    std::function<void(double fraction)> on_progress;  // 0..1, on the calling thread
};

struct ConversionResult {
    std::string format;  // "gguf" or "safetensors"
    uint64_t bytes = 0;  // of the file
    int64_t parameters = 0;
    size_t tensors = 0;
    std::map<std::string, uint64_t> type_bytes;  // by the name of the type, "q8_0"
};

// `output` ends in .gguf or .safetensors. Tensors have canonical names; the configuration, merges and defaults become
// metadata, so that the file is a whole model. It is read and written tensor by tensor, and stands under its name only
// when it is complete. Throws INVALID_ARGUMENT for another ending, for types that are not known or that the format does
// not have; what ModelFile::open throws; UNSUPPORTED_TYPE for tensors that cannot be read; FILE_NOT_WRITABLE; ABORTED.
ConversionResult convert_model(const std::string& input, const std::string& output, const ConversionOptions& options);

}  // namespace nd::weights
