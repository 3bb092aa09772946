// The configuration of a model's networks: what the file says, completed by what its tensors' names and shapes tell.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "native/weights/model_file.h"

namespace nd::models {

struct ClipTextConfig {
    int64_t layers = 0, width = 0, heads = 0, intermediate = 0;
    int64_t vocabulary = 0, context_length = 77;
    bool quick_gelu = true;
    float eps = 1e-5f;
    // Whether what comes out of a layer goes through the final norm, as Stable Diffusion 1 and 2 want it, or as it is
    // (XL).
    bool final_norm = true;
    int64_t projection_width = 0;  // of the pooled text; 0: the encoder has no projection
    // Layers at the end of the file that the family leaves out (SD 2's single files carry all 24 of OpenCLIP's and use
    // 23).
    int64_t skipped_layers = 0;
};

struct UNetLevel {
    int64_t channels = 0, heads = 1;
    int64_t down_layers() const { return static_cast<int64_t>(down_attention.size()); }
    int64_t up_layers() const { return static_cast<int64_t>(up_attention.size()); }
    std::vector<int64_t> down_attention, up_attention;  // blocks of attention after each residual block; 0: none
};

// What Stable Diffusion XL's UNet adds to the timestep's embedding: the pooled text, and numbers about the picture's
// size (arXiv 2307.01952, section 2.2), each as a sinusoidal embedding.
struct AdditionConfig {
    int64_t pooled_width = 0;
    int64_t size_numbers = 0;  // 6: original size, crop, target size; 5: original size, crop, aesthetic score; 0: none
    int64_t number_width = 0;  // of a number's embedding
    int64_t width() const { return pooled_width + size_numbers * number_width; }
};

// Attention is a transformer that reads the text, or, in an unconditional UNet, self-attention alone.
struct UNetConfig {
    int64_t in_channels = 4, out_channels = 4, time_width = 0;
    int64_t context_width = 768;    // 0: unconditional, no text
    int64_t sample_size = 0;        // side of the latents or pixels that it was trained on; 0: not known
    std::vector<UNetLevel> levels;  // from the finest to the coarsest
    // Residual blocks in the middle: two around the attention; one, or none, in small distilled UNets (SSD-1B, BK-SDM).
    int64_t mid_layers = 2;
    int64_t mid_attention = 1, mid_heads = 1;
    AdditionConfig addition;
    bool is_control = false;     // a ControlNet's half: the way down and the middle alone
    int64_t guidance_width = 0;  // of the guidance scale's embedding (arXiv 2310.04378); 0: the UNet takes none
    int64_t groups = 32;
    float eps = 1e-5f;
    bool flip_sin_to_cos = true;
    float freq_shift = 0;
    bool pad_bottom_right = false;  // downsampling pads below and at the right only

    bool unconditional() const { return context_width == 0; }
    bool has_addition() const { return addition.size_numbers > 0; }
    // The blocks with attention, in the order of computation: "down.0" ..., "mid", "up.0" ...
    std::vector<std::string> attention_blocks() const;
    // What height and width must be multiples of.
    int64_t multiple() const { return unconditional() ? int64_t{1} << (levels.size() - 1) : 1; }
};

struct VaeConfig {
    int64_t latent_channels = 4, image_channels = 3;
    std::vector<int64_t> encoder_channels, decoder_channels;  // from the finest to the coarsest
    int64_t encoder_layers = 2, decoder_layers = 3;
    bool mid_attention = true;
    int64_t groups = 32;
    float eps = 1e-6f;
    float scaling_factor = 0.18215f, shift_factor = 0;
    int64_t downscale() const { return int64_t{1} << (decoder_channels.size() - 1); }
};

struct PredictionConfig {
    std::string type = "epsilon";  // or "v_prediction", "x0", "flow"
    std::string beta_schedule = "scaled_linear";
    double beta_start = 0.00085, beta_end = 0.012;
    int64_t train_steps = 1000;
    bool zero_terminal_snr = false;  // the betas are rescaled so that the last timestep is pure noise
    double shift = 1;                // of a flow's levels
    double clip_range = 0;           // denoised pixels are held to -clip_range..clip_range; 0: they are not
};

// Each throws MISSING_TENSOR or TENSOR_SHAPE where the tensors contradict the architecture, FILE_INVALID where the
// configuration is malformed, UNKNOWN_ARCHITECTURE where it asks for what the engine does not know.
// `component` is "text_encoder" or "text_encoder_2".
ClipTextConfig detect_clip_text(const weights::ModelFile& file, const std::string& component = "text_encoder");
UNetConfig detect_unet(const weights::ModelFile& file);
// `scaling_factor` holds where the configuration does not tell it.
VaeConfig detect_vae(const weights::ModelFile& file, float scaling_factor = 0.18215f);
PredictionConfig detect_prediction(const weights::ModelFile& file);

}  // namespace nd::models
