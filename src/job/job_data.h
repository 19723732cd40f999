// The data of a job: read, split, prepared.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "formats/array.h"
#include "job/job.h"
#include "varve/dataset.h"

namespace varve::job {

struct JobData {
  Dataset train;
  std::optional<Dataset> validation = {}, test = {};
  /// None where the target is a number.
  std::vector<std::string> class_names = {};
  /// How its table is to be read, for the model's file; empty for others.
  std::string table_format = {};
  /// The table that the test part (else the validation part) came from.
  std::optional<Table> table = {};

  /// What the model is judged on: the test part, else the validation part.
  const std::optional<Dataset>& judged() const { return test ? test : validation; }
  const char* judged_name() const { return test ? "test" : "validation"; }
};

/// Throws IoError and FormatError that name the data file; ConfigError that names the job file
/// where what it asks for does not go with the data.
JobData load_data(const Job& job);

/// Arrays as inputs of a network. Pictures (u8 [n, height, width] or with 1 or 3 channels) get an
/// axis for the channel; bytes are divided by `divide_by`; the preparation of pictures travels in
/// the model. Other floating numbers become f32; integers stay as they are.
Dataset inputs_of(const formats::Array& array, double divide_by);
/// Integer classes [n] or [n, 1], one-hot rows, or numbers, with the inputs. `name` begins the
/// FormatErrors.
Dataset with_targets(const Dataset& inputs, const formats::Array& targets, bool classification,
                     const std::string& name);

/// The key of the model's metadata that holds `table_format`.
inline constexpr const char* kTableFormatKey = "table_format";
std::string to_json(const TableReadOptions& options);
/// Throws FormatError.
TableReadOptions table_format_from(const std::string& json);

}  // namespace varve::job
