// What every row is held to.
#include <gtest/gtest.h>

#include "samples.h"

namespace varve::samples {
namespace {

TEST(Errors, AreToldInFull) {
  for (const Row& row : all_rows()) {
    for (const ErrorCase& e : row.errors) EXPECT_EQ(e.run(), e.text) << row.op;
  }
}

}  // namespace
}  // namespace varve::samples
