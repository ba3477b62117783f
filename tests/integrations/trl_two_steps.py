"""Two real GRPO steps of a tiny model on CPU, through TRL's ``environment_factory``. Run by hand.

Run: python tests/integrations/trl_two_steps.py FOLDER
Needs the extra ``trl`` and nothing from a hub: the model (a Qwen3 of two thin layers) and its
tokenizer are made here, and know nothing: this proves the path, and no learning. So that the tool
is called at all, the model first learns the form of a call from transcripts made here, with two
queries on a small database of which one is a near miss and the other is wrong.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from pathlib import Path

import torch
import trl
from datasets import Dataset
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM, set_seed
from trl import GRPOConfig, GRPOTrainer

import sqlbench as sb
from sqlbench.doors.trl import SQLTool, rows

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<tool_call>", "</tool_call>"]
# On three rows, so that a prompt is short and a step takes seconds.
SETUP = """
CREATE TABLE products (product_id INTEGER PRIMARY KEY, title TEXT, price REAL);
CREATE TABLE sales (sale_id INTEGER PRIMARY KEY, product_id INTEGER, pieces INTEGER);
INSERT INTO products VALUES (1, 'tea', 3.5), (2, 'milk', 1.2), (3, 'rye', 4.0);
INSERT INTO sales VALUES (1, 1, 4), (2, 2, 9), (3, 3, 2);
"""
SUITE = """
database: shop.sqlite
tasks:
  - id: prices
    difficulty: easy
    questions:
      - {id: dearest, text: "All products, the dearest first.",
         gold: "SELECT title FROM products ORDER BY price DESC"}
      - {id: cheapest, text: "All products, the cheapest first.",
         gold: "SELECT title FROM products ORDER BY price"}
"""
QUERIES = ("SELECT title FROM products", "SELECT count(*) FROM sales")
STEPS = 120
SHOWN = ("loss", "grad_norm", "tools/call_frequency", "reward", "reward_std")
TEMPLATE = Path(trl.__file__).parent / "chat_templates" / "qwen3.jinja"


def make_tokenizer(texts: list[str]) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=2000, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )
    fast.chat_template = TEMPLATE.read_text()
    return fast


def make_suite(folder: Path) -> str:
    """Write the database and the suite; return its file."""
    (folder / "shop.sqlite").unlink(missing_ok=True)
    with sqlite3.connect(folder / "shop.sqlite") as shop:
        shop.executescript(SETUP)
    (folder / "shop.yaml").write_text(SUITE)
    return str(folder / "shop.yaml")


def transcript(row: dict, sql: str) -> list[dict]:
    """Return a conversation in which the tool is called with a query."""
    call = {"type": "function", "function": {"name": "run_sql", "arguments": {"sql": sql}}}
    return [*row["prompt"], {"role": "assistant", "content": "", "tool_calls": [call]}]


def lesson(tokenizer: PreTrainedTokenizerFast, row: dict, sql: str) -> dict[str, torch.Tensor]:
    """Return a transcript as tokens, with the call as what is to be learned, and not the schema."""
    options = {"tools": tools(), "return_tensors": "pt", "return_dict": True}
    turns = transcript(row, sql)
    asked = tokenizer.apply_chat_template(turns[:-1], add_generation_prompt=True, **options)
    tokens = tokenizer.apply_chat_template(turns, **options)["input_ids"]
    labels = tokens.clone()
    labels[:, : asked["input_ids"].shape[1]] = -100
    return {"input_ids": tokens, "labels": labels}


def warm_up(model: Qwen3ForCausalLM, tokenizer: PreTrainedTokenizerFast, data: list) -> None:
    """Teach the model the form of a call: plain next-token training, and no gold query in it."""
    lessons = [lesson(tokenizer, row, sql) for sql in QUERIES for row in data]
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for step in range(STEPS):
        loss = model(**lessons[step % len(lessons)]).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    tokens = lessons[0]["input_ids"].shape[1]
    print(f"warm-up: loss {loss.item():.3f} after {STEPS} steps of {tokens} tokens", flush=True)


def tools() -> list[dict]:
    from transformers.utils import get_json_schema

    return [get_json_schema(SQLTool().run_sql)]


def main(folder: Path) -> None:
    torch.set_num_threads(1)  # threads wait for each other where others work, too
    set_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    kept = make_suite(folder)
    data = rows(kept, split=None)
    texts = [m["content"] for row in data for m in row["prompt"]]
    calls = [json.dumps({"name": "run_sql", "arguments": {"sql": q}}) for q in QUERIES]
    tokenizer = make_tokenizer([*texts, TEMPLATE.read_text(), *calls])
    model = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=len(tokenizer), hidden_size=96, intermediate_size=192, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=2, head_dim=24,
            max_position_embeddings=8192, eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id, tie_word_embeddings=True,
        )
    )  # fmt: skip
    print(f"a model of {sum(p.numel() for p in model.parameters()):,} parameters", flush=True)
    warm_up(model, tokenizer, data)
    model.save_pretrained(folder / "model")  # for the block in docs/training.md
    tokenizer.save_pretrained(folder / "model")

    class Logged(SQLTool):
        suite = kept
        log = str(folder / "episodes")

    trainer = GRPOTrainer(
        model=model,
        processing_class=tokenizer,
        train_dataset=Dataset.from_list(data),
        environment_factory=Logged,
        args=GRPOConfig(
            output_dir=str(folder / "trainer"), max_steps=2, num_generations=4,
            per_device_train_batch_size=4, max_completion_length=96, use_cpu=True,
            max_tool_calling_iterations=2, learning_rate=1e-4, logging_steps=1, report_to=[],
            save_strategy="no", seed=0, disable_tqdm=True, temperature=1.0,
        ),
    )  # fmt: skip
    before = {name: p.detach().clone() for name, p in trainer.model.named_parameters()}
    trainer.train()
    moved = sum(
        not torch.equal(before[name], p.detach()) for name, p in trainer.model.named_parameters()
    )
    for entry in trainer.state.log_history:
        shown = {k: round(entry[k], 3) for k in SHOWN if k in entry}
        if shown:
            print(json.dumps(shown))
    print(f"GRPO steps: {trainer.state.global_step}; parameter tensors that moved: {moved}")
    shared = trainer.environments[0]._desk
    shared.log.close()
    run = sb.Run.open(folder / "episodes")
    print(f"episodes kept: {len(run.log)}, attempts {sum(len(e.steps) for e in run.log)}")
    print(run.label)
    assert trainer.state.global_step == 2 and moved and run.log


if __name__ == "__main__":
    main(Path(sys.argv[1]))
