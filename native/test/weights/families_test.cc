// The table of families: each shape has its own, and what fits none has what is usual for its kind.
#include "native/weights/families.h"

#include <string>

#include "native/test/tap.h"

using namespace nd::weights;

namespace {

std::string found(int64_t base, int64_t context, int64_t numbers) {
    const Family* family = find_family(base, context, numbers);
    return family ? family->id : "";
}

}  // namespace

TEST("families: told apart by the UNet's shapes") {
    CHECK(found(320, 768, 0) == "sd1" && found(320, 1024, 0) == "sd2");
    CHECK(found(320, 2048, 6) == "sdxl" && found(384, 1280, 5) == "sdxl_refiner");
    CHECK(found(320, 2048, 0).empty() && found(320, 768, 6).empty() && found(16, 768, 0).empty());
}

TEST("families: other sizes have the defaults of their kind") {
    CHECK(std::string(usual_family(16, 56, 6).id) == "sdxl" &&
          std::string(usual_family(16, 32, 5).id) == "sdxl_refiner");
    CHECK(std::string(usual_family(16, 1024, 0).id) == "sd2" && std::string(usual_family(16, 48, 0).id) == "sd1");
    CHECK(usual_family(320, 2048, 6).scaling_factor == 0.13025f && usual_family(320, 1024, 0).picture_size == 768);
}

TEST("families: every one has a name, and those that are refused are told by a sign") {
    for (const Family& family : families()) {
        CHECK(std::string(family.id).size() > 1 && std::string(family.title).size() > 1);
        CHECK(family.is_supported == family.signs.empty() && family.is_supported == (family.base_channels > 0),
              family.id);
    }
    CHECK(supported_families() ==
              "Stable Diffusion 1, Stable Diffusion 2, Stable Diffusion XL, "
              "Stable Diffusion XL's refiner",
          supported_families());
}
