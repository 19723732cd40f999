// Files of torch.save: the tensors of both forms, and that nothing else is taken.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>

#include "formats/pickle.h"
#include "formats/torch_file.h"
#include "support/errors.h"

namespace varve::formats {
namespace {

using test::message_of;

std::string bytes_of(const std::string& name) {
  std::ifstream file(VARVE_SOURCE_DIR "/tests/formats/golden/" + name, std::ios::binary);
  std::ostringstream all;
  all << file.rdbuf();
  return all.str();
}

std::map<std::string, Array> tensors_of(const TorchFile& file) {
  std::map<std::string, Array> all;
  for (size_t i = 0; i < file.tensors().size(); ++i) all[file.tensors()[i].name] = file.read(i);
  return all;
}

template <class T>
std::vector<T> values(const Array& a) {
  const auto s = a.span<T>();
  return {s.begin(), s.end()};
}

class TorchSave : public ::testing::TestWithParam<const char*> {};

TEST_P(TorchSave, GivesEveryTensorByItsPath) {
  const TorchFile file =
      TorchFile::open(std::string(VARVE_SOURCE_DIR "/tests/formats/golden/") + GetParam());
  const std::map<std::string, Array> t = tensors_of(file);
  ASSERT_EQ(t.size(), 13u);
  const auto at = [&](const char* name) -> const Array& { return t.at(name); };
  EXPECT_EQ(values<float>(at("state_dict.plain")), (std::vector<float>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(at("state_dict.turned").shape, (Shape{3, 2}));
  EXPECT_EQ(values<float>(at("state_dict.turned")), (std::vector<float>{0, 3, 1, 4, 2, 5}));
  EXPECT_EQ(at("state_dict.part").shape, (Shape{1, 2}));
  EXPECT_EQ(values<float>(at("state_dict.part")), (std::vector<float>{4, 5}));
  EXPECT_EQ(at("state_dict.number").shape, Shape{});
  EXPECT_EQ(values<int64_t>(at("state_dict.number")), (std::vector<int64_t>{7}));
  EXPECT_EQ(at("state_dict.empty").shape, (Shape{0, 3}));
  EXPECT_EQ(at("state_dict.empty").dtype, DType::f64);
  EXPECT_EQ(static_cast<float>(values<Float16>(at("state_dict.halves"))[1]), -2);
  EXPECT_EQ(static_cast<float>(values<BFloat16>(at("state_dict.brain"))[0]), 1.5f);
  EXPECT_EQ(at("state_dict.truth").dtype, DType::bool_);
  EXPECT_EQ(values<uint8_t>(at("state_dict.bytes")), (std::vector<uint8_t>{0, 255}));
  EXPECT_EQ(values<float>(at("state_dict.parameter")), (std::vector<float>{0.25}));
  EXPECT_EQ(values<int32_t>(at("list.0")), (std::vector<int32_t>{1, -1}));
  EXPECT_EQ(values<int16_t>(at("list.1.0")), (std::vector<int16_t>{2}));
  EXPECT_EQ(values<int8_t>(at("7")), (std::vector<int8_t>{3}));
}

// Every cut and every changed byte is refused or read; nothing crashes.
TEST_P(TorchSave, DamageIsRefused) {
  const std::string whole = bytes_of(GetParam());
  int refused = 0;
  const auto attempt = [&](const std::string& bytes) {
    try {
      (void)tensors_of(TorchFile(Source::memory("damaged", as_bytes(bytes))));
    } catch (const Error&) {
      ++refused;
    }
  };
  for (size_t n = 0; n < whole.size(); n += 7) attempt(whole.substr(0, n));
  EXPECT_EQ(refused, static_cast<int>((whole.size() + 6) / 7));
  for (size_t i = 0; i < whole.size(); i += 3) {
    std::string changed = whole;
    changed[i] = static_cast<char>(changed[i] ^ (1 << (i % 8)));
    attempt(changed);
  }
}

INSTANTIATE_TEST_SUITE_P(Form, TorchSave, ::testing::Values("torch_zip.pt", "torch_legacy.pt"),
                         [](const auto& i) { return std::string(i.param).substr(6, 3); });

std::string refusal(const std::string& program) {
  return message_of<FormatError>([&] {
    size_t at = 0;
    pickle::read(as_bytes(program), at);
  });
}

TEST(Pickle, RunsNothing) {
  // os.system("true"), as a pickle would.
  EXPECT_EQ(refusal(std::string("\x80\x02"
                                "cposix\nsystem\nU\x04true\x85R.")),
            "pickle: \"posix system\" is not allowed");
  EXPECT_EQ(refusal("cbuiltins\neval\n)R."), "pickle: \"builtins eval\" is not allowed");
  // Instructions that make objects of classes.
  EXPECT_EQ(refusal("(cos\nsystem\no."), "pickle: instruction 0x6f is not allowed");
  EXPECT_EQ(refusal("(ios\nsystem\n."), "pickle: instruction 0x69 is not allowed");
  EXPECT_EQ(refusal("cos\nsystem\n)\x81."), "pickle: instruction 0x81 is not allowed");
  EXPECT_EQ(refusal("ctorch\nFloatStorage\n)R."), "pickle: \"torch FloatStorage\" is not allowed");
}

TEST(Pickle, RefusesWhatWouldGrowOrNest) {
  EXPECT_EQ(refusal(""), "pickle: ends too early");
  EXPECT_EQ(refusal("."), "pickle: takes from an empty stack");
  EXPECT_EQ(refusal("t."), "pickle: has no mark");
  EXPECT_EQ(refusal("h\1."), "pickle: recalls what was not remembered");
  EXPECT_EQ(refusal("]q\1h\1a."), "pickle: holds itself");
  EXPECT_EQ(refusal(std::string(100, ')') + std::string(100, '\x85') + "."),
            "pickle: is nested too deeply");
  EXPECT_EQ(refusal("X\xff\xff\xff\x7f."), "pickle: ends too early");
  EXPECT_EQ(refusal("\x80\x09."), "pickle: version 9 is newer than 5");
}

}  // namespace
}  // namespace varve::formats
