// The keys of a job file's sections.
#include "job/job.h"

namespace varve::job {

namespace {

void scale_field(Fields& f, std::string& scale) {
  f("scale", scale, "unit: bytes 0..255 become 0..1; none.");
}

}  // namespace

void Split::fields(Fields& f) {
  f("validation", validation, "Share of all rows that is kept for validation.",
    {.min = 0, .below = 1});
  f("test", test, "Share of all rows that is kept for testing.", {.min = 0, .below = 1});
  f("stratify", stratify, "Each class is split in the same proportion.");
}

void CsvData::fields(Fields& f) {
  f("path", path, "The table.");
  f("test_path", test_path, "A table of its own for testing.");
  f("target", target, "The column to predict.");
  read.fields(f);
}

void IdxData::fields(Fields& f) {
  f("images", images, "IDX file of the images.");
  f("labels", labels, "IDX file of their labels.");
  f("test_images", test_images, "The same for testing.");
  f("test_labels", test_labels, "The same for testing.");
  scale_field(f, scale);
}

void NpzData::fields(Fields& f) {
  f("path", path, "The .npz file.");
  f("inputs", inputs, "Name of the array of inputs.");
  f("targets", targets, "Name of the array of targets.");
  f("test_inputs", test_inputs, "The same for testing.");
  f("test_targets", test_targets, "The same for testing.");
  scale_field(f, scale);
}

void ImageFolderData::fields(Fields& f) {
  f("path", path, "A folder with a folder of pictures for each class.");
  f("image_size", image_size, "Height and width that pictures are brought to.",
    {.min = 1, .max = 16384});
  f("channels", channels, "3, or 1 for grey.", {.min = 1, .max = 3});
  f("on_bad_sample", on_bad_sample,
    "error: a picture that cannot be read is named; skip: left out, up to 1 %.");
}

void TrainSection::fields(Fields& f) {
  f("class_weight", class_weight,
    "balanced: classes weigh the same, however many examples they have.");
  f("precision", precision,
    "\"mixed_bf16\": products and convolutions in bf16, parameters and their updates in f32.");
  f("batch_size", batch_size, "Examples in a step.", {.min = 1});
  f("epochs", epochs, "How often the training part is seen.", {.min = 1});
  f("shuffle", shuffle, "Another order in each epoch.");
  f("check_data", check_data, "NaN and infinity among the inputs are looked for first.");
}

}  // namespace varve::job
