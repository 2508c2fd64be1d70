#include <algorithm>
#include <utility>

#include "../../core/error.hpp"
#include "../files/atomic_file.hpp"
#include "../files/mapped_file.hpp"
#include "element_types_detail.hpp"
#include "npy.hpp"
#include "npy_detail.hpp"

#ifdef UNROLL_HAVE_ZIP
#include <zip.h>
#endif

namespace unroll {

#ifdef UNROLL_HAVE_ZIP

namespace {

template <auto end>
struct Ends {
  void operator()(auto* handle) const { end(handle); }
};
using ZipHandle = std::unique_ptr<zip_t, Ends<zip_discard>>;
using Source = std::unique_ptr<zip_source_t, Ends<zip_source_free>>;
using Member = std::unique_ptr<zip_file_t, Ends<zip_fclose>>;

// libzip's own record of what went wrong, of which nothing has to be freed once its text is copied.
struct ZipError {
  ZipError() { zip_error_init(&error); }
  ~ZipError() { zip_error_fini(&error); }
  ZipError(const ZipError&) = delete;
  ZipError& operator=(const ZipError&) = delete;
  std::string text() { return zip_error_strerror(&error); }
  zip_error_t error;
};

}  // namespace

struct NpzFile::Zip {
  std::string where;
  MappedFile file;  // outlives `zip`, which reads from it
  ZipHandle zip;
  std::vector<std::string> names;
  std::vector<std::pair<std::string, zip_uint64_t>> places;  // sorted by name
};

NpzFile::NpzFile(const std::string& path) : zip_(std::make_unique<Zip>()) {
  zip_->where = "[npz] " + path + ": ";
  const auto refuse = [&](const auto&... why) { throw FileError(zip_->where, why...); };
  zip_->file = MappedFile(path);
  const auto bytes = zip_->file.bytes();
  if (bytes.empty()) refuse("is no zip file: it is empty");  // to libzip that is an archive without members
  ZipError error;
  Source source(zip_source_buffer_create(bytes.data(), bytes.size(), 0, &error.error));
  if (!source) refuse(error.text());
  zip_->zip.reset(zip_open_from_source(source.get(), ZIP_RDONLY | ZIP_CHECKCONS, &error.error));
  if (!zip_->zip) refuse("is no zip file: ", error.text());
  source.release();  // the archive's now
  const auto count = zip_get_num_entries(zip_->zip.get(), 0);
  for (zip_uint64_t i = 0; i < static_cast<zip_uint64_t>(std::max<zip_int64_t>(count, 0)); ++i) {
    const char* text = zip_get_name(zip_->zip.get(), i, 0);
    std::string name = text ? text : "";
    if (!name.ends_with(".npy")) refuse("member '", name, "' is no .npy file");
    name.resize(name.size() - 4);
    zip_->places.emplace_back(std::move(name), i);
  }
  std::ranges::sort(zip_->places);
  for (const auto& [name, place] : zip_->places) {
    if (!zip_->names.empty() && zip_->names.back() == name) refuse("array '", name, "' is there twice");
    zip_->names.push_back(name);
  }
}

std::vector<std::byte> NpzFile::unpacked(std::string_view name) const {
  const auto refuse = [&](const auto&... why) { throw FileError(zip_->where, "array '", name, "' ", why...); };
  const auto place =
      std::ranges::lower_bound(zip_->places, name, {}, [](const auto& p) { return std::string_view(p.first); });
  if (place == zip_->places.end() || place->first != name) refuse("is not there");
  const Member member(zip_fopen_index(zip_->zip.get(), place->second, 0));
  if (!member) refuse("cannot be opened: ", zip_strerror(zip_->zip.get()));
  std::vector<std::byte> bytes;
  constexpr std::size_t piece = 1 << 18;
  for (std::size_t filled = 0;;) {  // libzip compares the checksum when it meets the end
    bytes.resize(filled + piece);
    const auto n = zip_fread(member.get(), bytes.data() + filled, piece);
    if (n < 0) refuse("cannot be unpacked: ", zip_file_strerror(member.get()));
    filled += static_cast<std::size_t>(n);
    if (n > 0) continue;
    bytes.resize(filled);
    return bytes;
  }
}

template <class T>
void write_npz(const std::string& path, const StateDict<T>& arrays, NpzOptions options) {
  ZipError error;
  const auto refuse = [&](const auto&... why) { throw FileError("[npz] ", path, ": ", why...); };
  Source archive(zip_source_buffer_create(nullptr, 0, 0, &error.error));
  if (!archive) refuse(error.text());
  std::vector<std::string> members;  // whose bytes libzip reads when it closes
  members.reserve(arrays.size());
  ZipHandle zip(zip_open_from_source(archive.get(), ZIP_TRUNCATE, &error.error));
  if (!zip) refuse(error.text());
  zip_source_keep(archive.get());
  for (const auto& [name, array] : arrays) {
    detail::check_plain<T>("write_npz: '" + name + "'", array, array.shape);
    std::string& bytes = members.emplace_back(detail::npy_header(dtype_of<T>(), array.shape));
    bytes.append(reinterpret_cast<const char*>(array.values.data()), array.values.size() * sizeof(T));
    zip_source_t* source = zip_source_buffer(zip.get(), bytes.data(), bytes.size(), 0);
    const auto place = source ? zip_file_add(zip.get(), (name + ".npy").c_str(), source, ZIP_FL_ENC_UTF_8) : -1;
    if (place < 0) {
      zip_source_free(source);
      refuse("array '", name, "': ", zip_strerror(zip.get()));
    }
    const auto index = static_cast<zip_uint64_t>(place);
    const zip_uint16_t first_day = 1 << 5 | 1;  // 1 January 1980, the calendar's first day, whenever this is
    if (zip_set_file_compression(zip.get(), index, options.compress ? ZIP_CM_DEFLATE : ZIP_CM_STORE, 0) != 0 ||
        zip_file_set_dostime(zip.get(), index, 0, first_day, 0) != 0)
      refuse("array '", name, "': ", zip_strerror(zip.get()));
  }
  if (arrays.empty()) {  // libzip writes no file then
    constexpr std::string_view end_of_directory("PK\5\6\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 22);
    return atomic_write(path, end_of_directory);
  }
  if (zip_close(zip.get()) != 0) refuse(zip_strerror(zip.get()));
  zip.release();
  zip_stat_t info;
  if (zip_source_open(archive.get()) != 0 || zip_source_stat(archive.get(), &info) != 0)
    refuse(zip_error_strerror(zip_source_error(archive.get())));
  std::string packed(static_cast<std::size_t>(info.size), '\0');
  const auto n = zip_source_read(archive.get(), packed.data(), packed.size());
  zip_source_close(archive.get());
  if (n < 0 || static_cast<std::size_t>(n) != packed.size()) refuse("cannot be packed");
  atomic_write(path, packed);
}

#else

struct NpzFile::Zip {
  std::string where;
  std::vector<std::string> names;
};

NpzFile::NpzFile(const std::string& path) {
  throw FileError("[npz] ", path, ": this build of unroll has no libzip (UNROLL_ZIP)");
}

std::vector<std::byte> NpzFile::unpacked(std::string_view) const { return {}; }

template <class T>
void write_npz(const std::string& path, const StateDict<T>&, NpzOptions) {
  throw FileError("[npz] ", path, ": this build of unroll has no libzip (UNROLL_ZIP)");
}

#endif

NpzFile::~NpzFile() = default;
NpzFile::NpzFile(NpzFile&&) noexcept = default;
NpzFile& NpzFile::operator=(NpzFile&&) noexcept = default;

const std::vector<std::string>& NpzFile::names() const { return zip_->names; }

template <class T>
PlainTensor<T> NpzFile::read(std::string_view name) const {
  return detail::npy_from_bytes<T>(zip_->where + "array '" + std::string(name) + "' ", unpacked(name));
}

template <class T>
StateDict<T> read_npz(const std::string& path) {
  const NpzFile file(path);
  StateDict<T> arrays;
  for (const std::string& name : file.names()) arrays.emplace(name, file.read<T>(name));
  return arrays;
}

#define UNROLL_INSTANTIATE(T) template PlainTensor<T> NpzFile::read<T>(std::string_view) const;
UNROLL_FOR_EACH_ELEMENT_TYPE(UNROLL_INSTANTIATE)
#undef UNROLL_INSTANTIATE
template StateDict<float> read_npz<float>(const std::string&);
template StateDict<double> read_npz<double>(const std::string&);
template void write_npz<float>(const std::string&, const StateDict<float>&, NpzOptions);
template void write_npz<double>(const std::string&, const StateDict<double>&, NpzOptions);

}  // namespace unroll
