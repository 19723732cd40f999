// What a job file may say, in words.
#pragma once
#include <string>

namespace varve::job {

/// Every section with its keys, and every type of layer, network, optimizer, schedule, loss, metric
/// and callback with its settings and their defaults; made of the same listings that files are read
/// by.
std::string reference();

}  // namespace varve::job
