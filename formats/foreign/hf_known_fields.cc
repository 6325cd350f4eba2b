#include "formats/foreign/hf_known_fields.h"

namespace tern {

using nlohmann::json;

const std::set<std::string>& harmless_fields() {
  static const std::set<std::string> fields = {"_attn_implementation_autoset",
                                               "_commit_hash",
                                               "_name_or_path",
                                               "_num_labels",
                                               "architectures",
                                               "attention_dropout",
                                               "auto_map",
                                               "bad_words_ids",
                                               "begin_suppress_tokens",
                                               "bos_token_id",
                                               "chunk_size_feed_forward",
                                               "decoder_start_token_id",
                                               "diversity_penalty",
                                               "do_sample",
                                               "dtype",
                                               "early_stopping",
                                               "encoder_no_repeat_ngram_size",
                                               "exponential_decay_length_penalty",
                                               "finetuning_task",
                                               "forced_bos_token_id",
                                               "forced_eos_token_id",
                                               "gradient_checkpointing",
                                               "hidden_dropout",
                                               "hidden_dropout_prob",
                                               "id2label",
                                               "initializer_range",
                                               "is_decoder",
                                               "label2id",
                                               "length_penalty",
                                               "max_length",
                                               "min_length",
                                               "model_type",
                                               "no_repeat_ngram_size",
                                               "num_beam_groups",
                                               "num_beams",
                                               "num_return_sequences",
                                               "output_attentions",
                                               "output_hidden_states",
                                               "output_scores",
                                               "pad_token_id",
                                               "prefix",
                                               "problem_type",
                                               "remove_invalid_values",
                                               "repetition_penalty",
                                               "return_dict",
                                               "return_dict_in_generate",
                                               "sep_token_id",
                                               "suppress_tokens",
                                               "task_specific_params",
                                               "temperature",
                                               "tf_legacy_loss",
                                               "tokenizer_class",
                                               "top_k",
                                               "top_p",
                                               "torch_dtype",
                                               "torchscript",
                                               "transformers_version",
                                               "typical_p",
                                               "use_bfloat16",
                                               "use_cache"};
  return fields;
}

const std::map<std::string, json>& neutral_values() {
  static const std::map<std::string, json> values = {{"activation", "swiglu"},  // Falcon3 says hidden_act twice
                                                     {"add_cross_attention", false},
                                                     {"cross_attention_hidden_size", nullptr},
                                                     {"input_bits", 8},  // 1bitLLM's BitNet: what section 2 describes
                                                     {"is_encoder_decoder", false},
                                                     {"partial_rotary_factor", 1.0},
                                                     {"pretraining_tp", 1},
                                                     {"pruned_heads", json::object()},
                                                     {"rope_interleaved", false},
                                                     {"tie_encoder_decoder", false},
                                                     {"use_mrope", false},
                                                     {"weight_bits", 1}};
  return values;
}

}  // namespace tern
