// The data of a job: read, split, prepared.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "formats/array.h"
#include "job/job.h"
#include "varve/dataset.h"

namespace varve::job {

/// How the parts of the data came about.
struct SplitRecord {
  Split split = {};
  Dim seed = 0;
  /// SHA-256 of what was split; empty where nothing was, or where the test part is given by itself.
  std::string data = {};

  void fields(Fields& f);
  std::string to_json() const;
  /// Throws FormatError.
  static SplitRecord from_json(const std::string& json);
};
/// The key of the model's metadata that holds it.
inline constexpr const char* kSplitKey = "split";

struct JobData {
  Dataset train;
  std::optional<Dataset> validation = {}, test = {};
  /// None where the target is a number.
  std::vector<std::string> class_names = {};
  /// Which rows the model sees, for its file.
  SplitRecord record = {};
  /// The table that the test part (else the validation part) came from.
  std::optional<Table> table = {};

  /// What the model is judged on: the test part, else the validation part.
  const std::optional<Dataset>& judged() const { return test ? test : validation; }
  const char* judged_name() const { return test ? "test" : "validation"; }
};

/// Throws IoError and FormatError that name the data file; ConfigError that names the job file
/// where what it asks for does not go with the data.
JobData load_data(const Job& job);

/// Where the targets of the training part, or of the test part, come from: the key of the job file,
/// and the file with what in it ("t.csv column \"y\"").
struct TargetPlaces {
  std::string key, data;
};
TargetPlaces places_of_targets(const Job& job, bool test);

/// Arrays as inputs of a network. Pictures (u8 [n, height, width] or with 1 or 3 channels) get an
/// axis for the channel; bytes are divided by `divide_by`; the preparation of pictures travels in
/// the model. Other floating numbers become f32; integers stay as they are.
Dataset inputs_of(const formats::Array& array, double divide_by);
/// Integer classes [n] or [n, 1], one-hot rows, or numbers, with the inputs. `name` begins the
/// FormatErrors.
Dataset with_targets(const Dataset& inputs, const formats::Array& targets, bool classification,
                     const std::string& name);

}  // namespace varve::job
