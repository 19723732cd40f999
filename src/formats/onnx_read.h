// Parts of the reader of ONNX files.
#pragma once
#include <functional>
#include <string>

#include "formats/onnx.h"
#include "formats/protobuf.h"

namespace varve::formats::onnx {

/// What a reader carries along.
struct Reading {
  std::string folder;     ///< where external data lie; empty: nowhere
  bool stripped = false;  ///< external data without a place: weights that are kept elsewhere
  int64_t entries = 0;
  /// Counts an entry of a repeated field; FormatError beyond kMaxEntries.
  void count(const ProtoMessage& m);
};

TensorData read_tensor(ProtoMessage m, Reading& reading);
SparseTensor read_sparse(ProtoMessage m, Reading& reading);

/// The bytes of external data: `location` is a path below `folder`, whose every part must be a real
/// folder and whose end a regular file of one name. `size` bytes are expected.
Buffer read_external(const std::string& folder, const std::string& location, int64_t offset,
                     int64_t length, const std::function<void(const std::string&)>& fail);

}  // namespace varve::formats::onnx
