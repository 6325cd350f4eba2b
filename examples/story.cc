// Continues a prompt with the most likely tokens: story MODEL PROMPT [TOKENS]. The same as story.c in C++.
#include <cstdlib>
#include <iostream>
#include <tern/tern.hpp>

namespace api = tern::api;

namespace {

// Appends tokens to the sequence; the logits of what follows the last one are kept.
api::Done append(api::Session& session, uint32_t sequence, std::span<const int32_t> tokens) {
  std::vector<tern_step_token> step;
  for (const int32_t token : tokens) step.push_back({sequence, token, false});
  if (!step.empty()) step.back().want_logits = true;
  return session.step(step);
}

api::Done tell(const api::Model& model, const std::string& prompt, int most) {
  auto session = api::Session::create(model);
  if (!session) return session.error();
  auto sampler = api::Sampler::create();
  if (!sampler) return sampler.error();
  const auto tokens = model.tokenize(prompt);
  if (!tokens) return tokens.error();
  const auto sequence = session->add();
  if (!sequence) return sequence.error();

  std::cout << prompt;
  api::Done done = append(*session, *sequence, *tokens);
  int32_t previous = tokens->empty() ? -1 : tokens->back();
  for (int made = 0; done && made < most; ++made) {
    const auto token = sampler->sample(session->logits(0).first(model.info().pieces));  // those beyond are no tokens
    if (!token) return token.error();
    if (model.stops(*token)) break;
    const auto piece = model.piece(*token, previous);
    if (!piece) return piece.error();
    std::cout << *piece << std::flush;
    previous = *token;
    done = append(*session, *sequence, {&*token, 1});
  }
  return done;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: story MODEL PROMPT [TOKENS]\n";
    return 2;
  }
  const auto model = api::Model::load(argv[1]);
  const api::Done done = model ? tell(*model, argv[2], argc > 3 ? std::atoi(argv[3]) : 64) : api::Done(model.error());
  std::cout << '\n';
  if (!done) std::cerr << "story: " << done.error().message << '\n';
  return done ? 0 : 1;
}
