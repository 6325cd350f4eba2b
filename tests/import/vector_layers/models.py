"""Whole models of each method give the logits of the same weights stored as floats."""
import os
import subprocess
import tempfile

import numpy
from aqlm import decode_aqlm, make_aqlm
from layers import check, save, transform
from quip import e8p, pack_e8p
from vptq import make_vptq

def llama(random):
    """(config, the tensors that are never quantized, {module: (rows, cols)})"""
    hidden, ffn, heads, kv, vocab = 64, 128, 4, 2, 29
    config = dict(architectures=["LlamaForCausalLM"], model_type="llama", hidden_size=hidden, intermediate_size=ffn,
                  num_hidden_layers=2, num_attention_heads=heads, num_key_value_heads=kv, vocab_size=vocab, hidden_act="silu",
                  max_position_embeddings=64, rms_norm_eps=1e-5, rope_theta=10000.0, tie_word_embeddings=False)

    def norm():
        return (1 + random.normal(size=hidden) / 4).astype(numpy.float32)
    tensors = {"model.embed_tokens.weight": random.normal(size=(vocab, hidden)).astype(numpy.float32),
               "lm_head.weight": random.normal(size=(vocab, hidden)).astype(numpy.float32), "model.norm.weight": norm()}
    modules = {}
    for i in range(2):
        at = "model.layers.%d." % i
        tensors[at + "input_layernorm.weight"], tensors[at + "post_attention_layernorm.weight"] = norm(), norm()
        for name, shape in dict(q=(64, hidden), k=(32, hidden), v=(32, hidden), o=(hidden, 64)).items():
            modules[at + "self_attn.%s_proj" % name] = shape
        for name, shape in dict(gate=(ffn, hidden), up=(ffn, hidden), down=(hidden, ffn)).items():
            modules[at + "mlp.%s_proj" % name] = shape
    return config, tensors, modules


def whole_vptq(random, modules):
    layers, packed, dense = {}, {}, {}
    cases = [dict(v=8, k=256, res=16), dict(v=6, k=64, groups=2, outliers=4, v0=4, k0=16), dict(v=4, k=32, norm=False)]
    for i, (module, (rows, cols)) in enumerate(modules.items()):
        if i % 5 == 4:  # not in the config: dense
            packed[module + ".weight"] = dense[module + ".weight"] = random.normal(size=(rows, cols)).astype(numpy.float32) / 8
            continue
        layers[module], tensors, weight = make_vptq(random, rows, cols, **cases[i % 3])
        packed.update({module + "." + n: a for n, a in tensors.items()})
        dense[module + ".weight"] = weight.astype(numpy.float32)
    return {"quantization_config": {"quant_method": "vptq", "config_for_layers": layers}}, packed, dense


def whole_aqlm(random, modules):
    packed, dense = {}, {}
    for module, (rows, cols) in modules.items():
        config, tensors = make_aqlm(random, rows, cols, 2, 8, 8)
        packed.update({module + "." + n: a for n, a in tensors.items()})
        dense[module + ".weight"] = decode_aqlm(tensors)[0].astype(numpy.float32)
    return config, packed, dense


def whole_quip(random, modules):
    book, packed, dense = e8p(), {}, {}
    fused = {"q_proj": ("qkv_proj", ["q_proj", "k_proj", "v_proj"]), "up_proj": ("upgate_proj", ["up_proj", "gate_proj"])}
    for module, (rows, cols) in modules.items():
        at, name = module.rsplit(".", 1)
        if name in ("k_proj", "v_proj", "gate_proj"):
            continue
        whole, parts = fused.get(name, (name, [name]))
        heights = [modules[at + "." + part][0] for part in parts]
        codes = random.integers(0, 65536, (sum(heights), cols // 8))
        t = dict(Qidxs=pack_e8p(codes), SU=random.choice([-1, 1], cols).astype(numpy.float16),
                 SV=random.normal(size=sum(heights)).astype(numpy.float16), Wscale=numpy.array(0.1, numpy.float32),
                 codebook_id=numpy.array(7))
        scales = numpy.ones(len(parts), numpy.float32)
        if len(parts) > 1:
            t["fuse_scales"] = scales = random.normal(size=len(parts)).astype(numpy.float32)
        weight = numpy.diag(numpy.repeat(scales, heights) * t["SV"].astype(float)) @ transform(sum(heights), None) @ (
            float(t["Wscale"]) * book[codes].reshape(-1, cols)) @ transform(cols, None) @ numpy.diag(t["SU"].astype(float))
        packed.update({at + "." + whole + "." + n: a for n, a in t.items()})
        for part, rows in zip(parts, numpy.split(weight, numpy.cumsum(heights)[:-1])):
            dense[at + "." + part + ".weight"] = rows.astype(numpy.float32)
    return {"quip_params": dict(codebook="E8P12", codebook_version=1, codesz=8, idx_dtype="torch.int64", packsz=4,
                                lora_rank=0, rescale_WH=False, resid_scale_override=-1)}, packed, dense


def whole_models(compare):
    for make in (whole_vptq, whole_aqlm, whole_quip):
        random = numpy.random.default_rng(13)
        config, rest, modules = llama(random)
        method, packed, dense = make(random, modules)
        with tempfile.TemporaryDirectory() as folder:
            paths = [os.path.join(folder, name) for name in ("packed", "dense")]
            for path, added, tensors in [(paths[0], method, packed), (paths[1], {}, dense)]:
                save(path, {**config, **added}, {**rest, **tensors})
            ran = subprocess.run([compare, *paths, os.path.join(folder, "scratch.tern")], capture_output=True)
            said = (ran.stderr or ran.stdout).decode().strip()
            # Two layers of f32 arithmetic in other orders, as between tern and other implementations.
            check(ran.returncode == 0 and 0 < float(said) < 1e-4, make.__name__ + ": logits differ: " + said)
