#include "formats/file.h"

#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>

#include "formats/atomic_file.h"
#include "formats/sha256.h"
#include "helpers.h"

namespace varve::formats {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> listing(const Folder& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder.path())) {
    names.push_back(entry.path().filename().string());
  }
  return names;
}

TEST(File, SaysWhatIsThereInsteadOfARegularFile) {  // B088
  Folder folder;
  EXPECT_EQ(message_of([&] { read_file(folder / "none"); }),
            folder / "none" + ": cannot open: No such file or directory");
  EXPECT_EQ(message_of([&] { read_file(folder.path()); }),
            folder.path() + ": is a directory; expected a regular file");
  ASSERT_EQ(::mkfifo((folder / "fifo").c_str(), 0600), 0);
  EXPECT_EQ(message_of([&] { read_file(folder / "fifo"); }),
            folder / "fifo" + ": is a fifo; expected a regular file");
  EXPECT_EQ(message_of([&] { read_file("/dev/zero"); }),
            "/dev/zero: is a device; expected a regular file");
  EXPECT_EQ(message_of([&] { read_file(""); }), ": cannot open: No such file or directory");
  const std::string file = folder.file("plain", "x");
  EXPECT_EQ(message_of([&] { read_file(file + "/below"); }),
            file + "/below: cannot open: Not a directory");
  if (::geteuid() != 0) {  // root may read everything
    fs::permissions(file, fs::perms::none);
    EXPECT_EQ(message_of([&] { read_file(file); }), file + ": cannot open: Permission denied");
  }
  EXPECT_EQ(message_of([&] { read_file(folder / std::string(300, 'n')); }),
            folder / std::string(300, 'n') + ": cannot open: File name too long");
  EXPECT_EQ(message_of([] { read_file(std::string("a\0b", 3)); }),
            "a\\x00b: path holds a NUL byte");
  EXPECT_EQ(message_of([&] { read_file(folder / "a\n\x1b[31m"); }),  // B072
            folder / "a\\x0a\\x1b[31m: cannot open: No such file or directory");
}

TEST(File, ReadsWholeFilesAndRanges) {
  Folder folder;
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += static_cast<char>(i * 7);
  const std::string path = folder.file("data", text);
  EXPECT_EQ(read_file(path).text(), text);
  const Source source = Source::open(path);
  for (int64_t offset : {0, 1, 4095, 4096, 65537, 99'999, 100'000}) {
    EXPECT_EQ(source.read(offset, 100'000 - offset).text(), text.substr(offset));
  }
  EXPECT_EQ(reinterpret_cast<uintptr_t>(read_file(path).data()) % 64, 0u);
  EXPECT_EQ(message_of([&] { read_file(path, 99'999); }),
            path + ": file too long: expected at most 99999 bytes, got 100000");
}

TEST(File, AFileThatChangesWhileItIsReadIsRefused) {  // B021
  Folder folder;
  const std::string path = folder.file("data", std::string(10'000, 'a'));
  Source shrunk = Source::open(path);
  fs::resize_file(path, 5'000);
  EXPECT_EQ(message_of([&] { shrunk.read(0, 10'000); }), path + ": file changed while reading");
  Source grown = Source::open(path);
  fs::resize_file(path, 5'001);
  EXPECT_EQ(message_of([&] { grown.check_unchanged(); }), path + ": file changed while reading");
  Source touched = Source::open(path);
  fs::last_write_time(path, fs::last_write_time(path) + std::chrono::seconds(1));
  EXPECT_EQ(message_of([&] { touched.check_unchanged(); }), path + ": file changed while reading");
}

TEST(AtomicFile, ReplacesTheOldFileAndKeepsItsPermissions) {
  Folder folder;
  const std::string path = folder.file("model", "old");
  fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
  {
    AtomicFile file(path, 1 << 20);
    file.write(std::string_view("new and longer"));
    EXPECT_EQ(read_text(path), "old");
    file.commit();
  }
  EXPECT_EQ(read_text(path), "new and longer");
  EXPECT_EQ(fs::status(path).permissions(), fs::perms::owner_read | fs::perms::owner_write);
  struct stat info {};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_LE(info.st_blocks * 512, 65536) << "what was reserved is given back";
  EXPECT_EQ(listing(folder).size(), 1u);
}

TEST(AtomicFile, WithoutCommitTheOldFileStaysAndNothingElse) {
  Folder folder;
  const std::string path = folder.file("model", "old");
  {
    AtomicFile file(path, 10);
    file.write(std::string_view("half"));
  }
  EXPECT_EQ(read_text(path), "old");
  EXPECT_EQ(listing(folder).size(), 1u);
}

TEST(AtomicFile, FollowsASymbolicLink) {
  Folder folder;
  const std::string path = folder.file("real", "old");
  fs::create_symlink("real", folder / "link");
  write_file(folder / "link", "new");
  EXPECT_TRUE(fs::is_symlink(folder / "link"));
  EXPECT_EQ(read_text(path), "new");
}

TEST(AtomicFile, SaysHowMuchIsNeededAndFreeBeforeItTouchesAnything) {  // B124
  Folder folder;
  const std::string path = folder.file("model", "old");
  const int64_t needed = int64_t{1} << 60;
  const auto save = [&] { AtomicFile(path, needed, "previous checkpoint step 400"); };
  const std::string message = message_of(save);
  const std::string begin = "save to " + path + ": needs 1152921504606846976 bytes, ";
  ASSERT_TRUE(message.starts_with(begin)) << message;
  const std::string rest = message.substr(begin.size());
  EXPECT_GT(std::stoll(rest), 0);
  EXPECT_TRUE(rest.ends_with(" free; previous checkpoint step 400 kept")) << message;
  EXPECT_EQ(read_text(path), "old");
  EXPECT_EQ(listing(folder).size(), 1u);
}

TEST(AtomicFile, NamesThePathAndTheReasonWhereItCannotWrite) {  // B125
  Folder folder;
  EXPECT_EQ(message_of([&] { write_file(folder / "no/such", "x"); }),
            "save to " + folder / "no/such" + ": No such file or directory");
  EXPECT_EQ(message_of([&] { write_file(folder.path(), "x"); }),
            "save to " + folder.path() + ": is a directory");
  EXPECT_EQ(message_of([] { write_file("/dev/null", "x"); }),
            "save to /dev/null: is not a regular file");
  const std::string file = folder.file("plain", "x");
  EXPECT_EQ(message_of([&] { write_file(file + "/below", "x"); }),
            "save to " + file + "/below: Not a directory");
  EXPECT_EQ(message_of([] { write_file("", "x"); }), "save to : Invalid argument");
  EXPECT_EQ(message_of([] { write_file("/proc/varve", "x"); }).substr(0, 22),
            "save to /proc/varve: N");
}

TEST(AtomicFile, AWriteThatFailsHalfwayLeavesTheOldFile) {
  Folder folder;
  const std::string path = folder.file("model", "old");
  // A limit on the length of files makes write(2) fail as a full disk would.
  struct rlimit before {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const struct rlimit small { 10'000, before.rlim_max };
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string message = message_of([&] {
    AtomicFile file(path, 0);
    for (int i = 0; i < 10; ++i) file.write(std::string(3'000, 'x'));
    file.commit();
  });
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_EQ(message, "save to " + path + ": File too large; previous file kept");
  EXPECT_EQ(read_text(path), "old");
  EXPECT_EQ(listing(folder).size(), 1u);
}

TEST(AtomicFile, RemovesOnlyWhatAKilledWriterOfTheSameFileLeftBehind) {
  Folder folder;
  const std::string stray = folder / ".varve-model-4711-0.tmp";
  const std::string others = folder / ".varve-model-b-4711-0.tmp";
  const std::string mine = folder / "notes.tmp";
  for (const std::string& path : {stray, others, mine}) test::write_text(path, "x");
  AtomicFile running(folder / "model", 0);
  EXPECT_FALSE(fs::exists(stray));
  EXPECT_TRUE(fs::exists(others));
  EXPECT_TRUE(fs::exists(mine));
  write_file(folder / "model", "second writer");  // the first one's file is locked, so it stays
  running.write(std::string_view("first writer"));
  running.commit();
  EXPECT_EQ(read_text(folder / "model"), "first writer");
}

TEST(Sha256, GivesTheVectorsOfTheStandard) {  // NIST, FIPS 180-4 examples and CAVP
  EXPECT_EQ(sha256(as_bytes("")),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256(as_bytes("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256(as_bytes("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256(as_bytes("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
                            "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu")),
            "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
  EXPECT_EQ(sha256(as_bytes(std::string(1'000'000, 'a'))),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  EXPECT_EQ(sha256(as_bytes("\xbd")),
            "68325720aabd7c82f30f554b313d0570c95accbb7dc4b5aae11204c08ffe732b");
}

TEST(Sha256, DoesNotDependOnHowTheBytesArrive) {
  std::string text;
  for (int i = 0; i < 300; ++i) text += static_cast<char>(i);
  for (size_t step : {1, 3, 55, 56, 63, 64, 65, 128, 299}) {
    Sha256 hash;
    for (size_t at = 0; at < text.size(); at += step) hash.update(as_bytes(text.substr(at, step)));
    EXPECT_EQ(hash.hex(), sha256(as_bytes(text)));
  }
}

TEST(Sha256, OfAFileIsThatOfItsBytes) {
  Folder folder;
  const std::string text(100'000, 'x');
  EXPECT_EQ(sha256_file(folder.file("data", text)), sha256(as_bytes(text)));
  EXPECT_THROW(sha256_file(folder / "none"), IoError);
}

TEST(Sha256, AFileThatIsNotTheOneListedIsSetAside) {  // B060
  Folder folder;
  const std::string path = folder.file("data", "abc");
  const std::string good = sha256_file(path);
  std::string upper = good;
  for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  verify_sha256(path, good);
  verify_sha256(path, upper);
  const std::string wrong(64, '0');
  EXPECT_EQ(
      message_of([&] { verify_sha256(path, wrong); }),
      path + ": SHA-256 expected " + wrong + ", got " + good + "; file kept as " + path + ".bad");
  EXPECT_FALSE(file_exists(path));
  EXPECT_EQ(read_text(path + ".bad"), "abc");
}

}  // namespace
}  // namespace varve::formats
