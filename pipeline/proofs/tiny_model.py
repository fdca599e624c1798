"""Writes a tiny llama with random weights in MLX's format, so that a server can be asked without a download.

This file travels in bundles of MLX environments and is run there by the environment's own Python: ``python
tiny_model.py FOLDER``. It needs mlx, numpy and tokenizers and nothing of this project. The same packages write the same
bytes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

HIDDEN, LAYERS, HEADS, KV_HEADS, INNER = 64, 2, 4, 2, 160
HEAD = HIDDEN // HEADS
VOCABULARY = 320
SEED = 20261125
END = "<|end|>"
SPECIAL = (END, "<|system|>", "<|user|>", "<|assistant|>")

# A role's mark, the text, a line's end; nothing in it needs a token that ends a turn.
CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)

TEXT = """
The wind blew along the shore all night, and in the morning the sand lay in long even waves like a second sea.
A boat had come in with the tide. Its sail was patched with many colours, its name was worn away by salt and years.
Who sailed in it nobody knew; there were two bowls, a lamp, a coil of rope, and a book with all its pages empty.
The children asked the old man whether he could read it. He turned the leaves slowly, one after another, and smiled.
"There is a story here," he said, "but it has not happened yet. We shall have to wait, and write down what we see."
So they wrote: 3 gulls, 12 shells, 1 white stone with a hole in it, rain at 7, sun at 9, and the boat at rest.
When the page was full they turned it, and when the book was full they put it back where they had found it.
In the evening the tide took the boat away again, with its lamp alight, and nobody has seen it on that shore since.
"""


def write_tokenizer(folder: Path) -> int:
    """Train a byte-pair tokenizer on the text above; return the size of its vocabulary.

    Its alphabet is printable ASCII: each token is whole text, so each one that is generated shows in a stream at once.
    ``END`` ends a text, as servers expect of a tokenizer; the weights never choose it.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers  # noqa: PLC0415 - not of this project

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = [*map(chr, range(0x21, 0x7F)), "\u0120", "\u010a"]  # as ByteLevel writes a space and a line's end
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=list(SPECIAL), initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(TEXT.strip().splitlines(keepends=True), trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "chat_template": CHAT_TEMPLATE,
        "eos_token": END,
        "clean_up_tokenization_spaces": False,
        "model_max_length": 2048,
        "additional_special_tokens": list(SPECIAL),
    }
    write_json(folder / "tokenizer_config.json", settings)
    return int(tokenizer.get_vocab_size())


def shapes(vocabulary: int) -> dict[str, tuple[int, ...]]:
    """Return each weight's name and shape, as ``mlx_lm.models.llama`` loads them."""
    found: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (vocabulary, HIDDEN)}
    for layer in range(LAYERS):
        parts = {
            "self_attn.q_proj": (HEADS * HEAD, HIDDEN),
            "self_attn.k_proj": (KV_HEADS * HEAD, HIDDEN),
            "self_attn.v_proj": (KV_HEADS * HEAD, HIDDEN),
            "self_attn.o_proj": (HIDDEN, HEADS * HEAD),
            "mlp.gate_proj": (INNER, HIDDEN),
            "mlp.up_proj": (INNER, HIDDEN),
            "mlp.down_proj": (HIDDEN, INNER),
            "input_layernorm": (HIDDEN,),
            "post_attention_layernorm": (HIDDEN,),
        }
        found |= {f"model.layers.{layer}.{name}.weight": shape for name, shape in parts.items()}
    return found | {"model.norm.weight": (HIDDEN,), "lm_head.weight": (vocabulary, HIDDEN)}


def write_weights(folder: Path, vocabulary: int) -> int:
    """Write random weights, and ones for the norms; return how many numbers they are.

    ``END`` has zeros in the last layer, so that another token always gets more: answers are as long as was asked for.
    """
    import mlx.core as mx  # noqa: PLC0415 - not of this project
    import numpy as np  # noqa: PLC0415 - as above

    random = np.random.default_rng(SEED)
    weights = {}
    count = 0
    for name, shape in shapes(vocabulary).items():
        values = random.standard_normal(shape) / shape[-1] ** 0.5 if len(shape) > 1 else np.ones(shape)
        if name == "lm_head.weight":
            values[SPECIAL.index(END)] = 0.0
        weights[name] = mx.array(values.astype(np.float32))
        count += values.size
    mx.save_safetensors(str(folder / "model.safetensors"), weights, metadata={"format": "mlx"})
    return count


def write_json(path: Path, document: dict[str, object]) -> None:
    """Write a document with sorted names."""
    path.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def write_model(folder: Path) -> int:
    """Write the whole model into a folder, made here where it is missing; return how many parameters it has."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = write_tokenizer(folder)
    count = write_weights(folder, vocabulary)
    settings: dict[str, object] = {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "intermediate_size": INNER,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS,
        "head_dim": HEAD,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "max_position_embeddings": 2048,
        "vocab_size": vocabulary,
        "eos_token_id": SPECIAL.index(END),
        "tie_word_embeddings": False,
        "torch_dtype": "float32",
    }
    write_json(folder / "config.json", settings)
    return count


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: tiny_model.py FOLDER")
    sys.stdout.write(f"{write_model(Path(sys.argv[1]))} parameters\n")
