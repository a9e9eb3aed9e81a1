"""Prints the log-probs of tokens after the first, from a model folder and an adapter folder that PEFT opens.

    python peft.py BASE ADAPTER 1,2,3
"""
import sys

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

base, adapter, tokens = sys.argv[1], sys.argv[2], [int(token) for token in sys.argv[3].split(",")]
model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
model = PeftModel.from_pretrained(model, adapter).eval()
with torch.no_grad():
    logits = model(torch.tensor([tokens])).logits[0].double().log_softmax(-1)
print(" ".join(str(logits[i, token].item()) for i, token in enumerate(tokens[1:])))
