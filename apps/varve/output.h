// Where a command writes: nothing of somebody else's is overwritten, and nothing that is read.
#pragma once
#include <string>
#include <vector>

#include "varve/callbacks.h"

namespace varve::app {

/// Readies a folder for a run. `owner` says whose it is ("recipe xor"), and stands in run.json
/// there: a folder that holds one of `files` must be of an earlier run of the same owner, or
/// `force` be set. Throws IoError.
void claim_folder(const std::string& folder, const std::string& owner,
                  const std::vector<std::string>& files, bool force);

/// Throws IoError where the file exists and `force` is not set, or where it is one of the inputs,
/// under whatever name.
void check_output(const std::string& path, const std::vector<std::string>& inputs, bool force);

/// Throws OutputClosed at the end of an epoch once nobody reads standard output any more.
CallbackRef watch_output();

}  // namespace varve::app
