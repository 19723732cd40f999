// What the tests of the notes' own numbers share. Comments name the row of the table of targets.
#pragma once
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "support/errors.h"
#include "support/tensors.h"
#include "varve/varve.h"

namespace varve::notes {

using Doubles = std::vector<double>;

using test::distance;
using test::expect_near;
using test::message_of;
using test::normal;

}  // namespace varve::notes
