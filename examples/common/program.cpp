#include "common/program.hpp"

#include <stdlib.h>
#include <sys/resource.h>
#ifdef __GLIBC__  // said by <stdlib.h>
#include <malloc.h>
#endif

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <iostream>
#include <memory>
#include <new>

#include "unroll/core/threads.hpp"

namespace unroll::examples {

namespace {

std::string formatted(const char* format, std::va_list arguments) {
  std::va_list again;
  va_copy(again, arguments);
  std::string s(static_cast<std::size_t>(std::max(0, std::vsnprintf(nullptr, 0, format, again))), '\0');
  va_end(again);
  std::vsnprintf(s.data(), s.size() + 1, format, arguments);
  return s;
}

/// --help: a line or two an option, "--epochs N  times through the items [10]".
class Help : public CLI::Formatter {
 public:
  Help() { column_width(26); }

  std::string make_option_opts(const CLI::Option* option) const override {
    if (option->get_items_expected_max() == 0) return "";  // a flag
    std::string type = option->get_type_name();
    if (type.starts_with("INT") || type.starts_with("FLOAT") || type.starts_with("UINT")) return " N";
    if (const auto list = type.find(":{"); list != std::string::npos) {
      type = type.substr(list + 2, type.size() - list - 3);
      std::replace(type.begin(), type.end(), ',', '|');
    }
    return " " + type;
  }

  std::string make_option_name(const CLI::Option* option, bool positional) const override {
    std::string name = CLI::Formatter::make_option_name(option, positional);
    if (const auto value = name.find("{false}"); value != std::string::npos) name.erase(value, 7);
    return name;
  }

  std::string make_option_desc(const CLI::Option* option) const override {
    const std::string given = option->get_default_str();
    return option->get_description() + (given.empty() || given == "\"\"" ? "" : " [" + given + "]");
  }
};

int failed(const CLI::App& app, int status, std::string message) {
  for (char& c : message)
    if (c == '\n') c = ' ';
  std::cerr << app.get_name() << ": " << message << "\n";
  return status;
}

}  // namespace

void add_threads(CLI::App& app, int& threads, const char* help) {
  app.add_option("--threads", threads, help)->check(between(1, 1024))->default_str("the cores there are, at most 4");
  app.parse_complete_callback([&threads] {
    if (threads == 0) threads = std::min(get_num_threads(), 4);
  });
}

std::string text(const char* format, ...) {
  std::va_list arguments;
  va_start(arguments, format);
  std::string s = formatted(format, arguments);
  va_end(arguments);
  return s;
}

void print(const char* format, ...) {
  std::va_list arguments;
  va_start(arguments, format);
  std::cout << formatted(format, arguments) << std::endl;
  va_end(arguments);
}

Index peak_memory() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return Index{1024} * usage.ru_maxrss;
}

Index memory_in_use() {
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 33)
  const struct mallinfo2 heap = mallinfo2();
  return static_cast<Index>(heap.uordblks + heap.hblkhd);
#else
  return peak_memory();
#endif
}

int run_program(CLI::App& app, int argc, char** argv, const std::function<void()>& body) {
  app.formatter(std::make_shared<Help>());
  if (auto* help = app.get_help_ptr()) help->description("this text");
  try {
    app.parse(argc, argv);
    body();
    return 0;
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e);  // --help
    return failed(app, 2, std::string(e.what()) + " (--help lists the options)");
  } catch (const std::bad_alloc&) {
    return failed(app, 1, "out of memory: the model, the batch or the text is too large");
  } catch (const std::exception& e) {
    return failed(app, 1, e.what());
  }
}

}  // namespace unroll::examples
