// Element types and shapes: what every tensor has, and what an error looks like.
#include <varve/error.h>
#include <varve/types.h>
#include <varve/version.h>

#include <cstdio>

using namespace varve;

int main() {
  std::printf("Varve %s\n", kVersion);
  // [types]
  Shape images{64, 28, 28, 1};
  std::printf("%s holds %lld numbers\n", images.to_string().c_str(),
              static_cast<long long>(images.size()));
  std::printf("u8 and i8 give %s\n", name_of(promote(u8, i8)));
  // [/types]
  try {
    parse_dtype("float23");
  } catch (const Error& e) {
    std::printf("%s\n", e.what());
  }
}
