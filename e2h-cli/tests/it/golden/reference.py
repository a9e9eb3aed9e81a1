"""What transformers makes of prompts: reads JSONL rows {"messages": [...]} from FILE and writes one line for each.

    python reference.py MODEL FILE MAX_TOKENS > rows.jsonl

A line has the rendered text with a generation prompt, the same with an opened answer
(continue_final_message), its tokens, the greedy continuation's tokens in float32, and its text.
"""
import json
import os
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import torch
import transformers

PREFIX = "Let me solve this step by step.\n<think>"


def main(folder: str, rows: str, max_tokens: int) -> None:
    transformers.utils.logging.set_verbosity_error()
    tok = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    for line in open(rows, encoding="utf-8"):
        messages = json.loads(line)["messages"]
        text = tok.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        opened = messages + [{"role": "assistant", "content": PREFIX}]
        opened = tok.apply_chat_template(opened, continue_final_message=True, tokenize=False)
        ids = tok(text, add_special_tokens=False, return_tensors="pt")
        new = []
        if max_tokens:
            with torch.no_grad():
                full = model.generate(**ids, max_new_tokens=max_tokens, do_sample=False)
            new = full[0, ids["input_ids"].shape[1]:].tolist()
        print(json.dumps({
            "text": text,
            "opened": opened,
            "ids": ids["input_ids"][0].tolist(),
            "opened_ids": tok(opened, add_special_tokens=False)["input_ids"],
            "tokens": new,
            "completion": tok.decode(new, skip_special_tokens=True),
        }), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
