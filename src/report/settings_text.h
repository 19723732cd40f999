// The JSON text form of an optimizer, loss, schedule or callback as code would write it.
#pragma once
#include <string>

namespace varve::report {

/// `{"type":"adam","learning_rate":0.001}` as "Adam(learning_rate=0.001)", choices within choices
/// likewise; what is no such text as it stands.
std::string settings_text(const std::string& config);

}  // namespace varve::report
