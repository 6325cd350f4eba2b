// tern chat: a conversation, line by line.
#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "apps/chat_session.h"
#include "apps/command.h"
#include "apps/interrupt.h"
#include "apps/line_input.h"
#include "apps/model_options.h"
#include "apps/sampling_options.h"
#include "apps/text_input.h"
#include "apps/token_output.h"
#include "formats/tern/chat_template.h"

namespace tern::app {
namespace {

struct ChatOptions {
  ModelOptions model;
  SamplingOptions sampling;
  std::optional<std::string> system;
  std::string first_message, chat_template;
};

constexpr const char* kHelp =
    "/reset      begin a new conversation\n"
    "/save FILE  write the conversation and the model's state to FILE\n"
    "/load FILE  go on with a saved conversation\n"
    "/help       this list\n"
    "/quit       end; so does Ctrl-D\n"
    "Any other line is a message; one that begins with / needs a space before it. Ctrl-C stops an answer.\n";

Result<ChatTemplate> chosen_template(const std::string& name, const Model& model) {
  if (!name.empty()) return *find_chat_template(name);  // CLI11 has checked the name
  const auto& stored = model.file().description().chat;
  if (stored) return *stored;
  return not_found(fmt::format("{}: the file names no chat template: give --chat-template NAME, one of {}",
                               model.file().path(), join(chat_template_names())));
}

// What a line asked for.
enum class Wish { go_on, quit };

class Talk {
 public:
  Talk(ChatSession& chat, const Tokenizer& tokenizer, const SamplingOptions& sampling, bool interactive)
      : chat_(chat), tokenizer_(tokenizer), sampling_(sampling), interactive_(interactive) {}

  Result<Wish> line(const std::string& line) {
    if (line.find_first_not_of(" \t") == std::string::npos) return Wish::go_on;
    if (!line.starts_with('/')) return message(line);
    const size_t space = line.find(' ');
    const std::string word = line.substr(0, space);
    const size_t begin = space == std::string::npos ? space : line.find_first_not_of(' ', space);
    return command(word, begin == std::string::npos ? "" : line.substr(begin));
  }

  Result<Wish> message(const std::string& text) {
    if (interactive_) forgive_interrupt();  // one that came too late for the answer before
    TokenOutput output(&tokenizer_, sampling_.stops, -1);
    const auto result = chat_.say(text, [&](int32_t token) { return output.token(token); });
    if (!result.ok()) return result.status();
    output.finish();
    if (result->end == GenerationEnd::context_full) {
      fmt::print(stderr, "tern: the context is full, the answer ends here (/reset begins anew, -c raises it)\n");
    }
    if (interrupted() && !(interactive_ && forgive_interrupt())) return stopped_by_user();
    return Wish::go_on;
  }

 private:
  Result<Wish> command(const std::string& word, const std::string& argument) {
    const bool file = word == "/save" || word == "/load";
    if (file && argument.empty()) return invalid_argument(fmt::format("{} needs a file name", word));
    if (word == "/quit") return Wish::quit;
    if (word == "/help") {
      fmt::print(stderr, "{}", kHelp);
    } else if (word == "/reset") {
      TERN_TRY(chat_.reset());
    } else if (word == "/save") {
      TERN_TRY(chat_.save(argument));
    } else if (word == "/load") {
      TERN_TRY(chat_.load(argument));
    } else {
      return invalid_argument(fmt::format("there is no command {} (/help lists them)", word));
    }
    if (file) fmt::print(stderr, "{}: {} messages\n", argument, chat_.conversation().messages.size());
    return Wish::go_on;
  }

  ChatSession& chat_;
  const Tokenizer& tokenizer_;
  const SamplingOptions& sampling_;
  bool interactive_;
};

// Lines until the end. On a terminal an error is shown and the conversation goes on.
Status talk(Talk& talk, LineInput& input, const std::string& first_message) {
  std::optional<std::string> line;
  bool first = !first_message.empty();
  while (first || (line = input.next())) {
    const auto wish = std::exchange(first, false) ? talk.message(first_message) : talk.line(*line);
    if (wish.ok() && *wish == Wish::quit) break;
    if (wish.ok()) continue;
    if (!input.interactive() || wish.status().message().empty()) return wish.status();
    fmt::print(stderr, "tern: error: {}\n", wish.status().message());
  }
  return {};
}

Status chat(const ChatOptions& options) {
  TERN_ASSIGN(const auto model, load_model(options.model));
  TERN_ASSIGN(const ChatTemplate chosen, chosen_template(options.chat_template, *model));
  TERN_ASSIGN(const auto tokenizer, make_tokenizer(*model));
  TERN_ASSIGN(ChatFormat format, ChatFormat::create(chosen, *tokenizer));
  TERN_ASSIGN(const auto session, make_session(model, options.model));
  GenerationOptions generation = generation_options(options.sampling, *model);
  generation.batch = options.model.batch;
  TERN_ASSIGN(const auto chat, ChatSession::create(*session, *tokenizer, std::move(format), {options.system, {}},
                                                   std::move(generation)));
  LineInput input;
  if (input.interactive()) fmt::print(stderr, "chat template {}; /help lists commands\n", name_of(chosen));
  Talk conversation(*chat, *tokenizer, options.sampling, input.interactive());
  return talk(conversation, input, options.first_message);
}

}  // namespace

void add_chat(CLI::App& root, Action& chosen) {
  const auto o = std::make_shared<ChatOptions>();
  o->sampling.predict = -1;
  CLI::App* verb = root.add_subcommand("chat", "talk to a model; a line of standard input is a message");
  add_model_flags(*verb, o->model);
  verb->add_option("--system-prompt", o->system, "-sys: the system message; not given: the template's own, if any");
  verb->add_option("-p,--prompt", o->first_message, "the first message");
  verb->add_option("--chat-template", o->chat_template, "how messages are written; not given: as the file says")
      ->check(CLI::IsMember(chat_template_names()));
  add_sampling_flags(*verb, o->sampling);
  verb->callback([o, &chosen] { chosen = [o] { return chat(*o); }; });
}

}  // namespace tern::app
