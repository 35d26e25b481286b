#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes what an evaluation harness would measure: log probabilities of texts under the demo model, by transformers in float32.

Usage: make_loglikelihoods.py MODEL_DIR OUT.json
Needs torch and transformers 5.
"""
import json
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

# Context and continuation, as multiple-choice tasks have them.
CASES = [
    ("Once upon a time", [", there was a fox.", " in the forest", " 1234567"]),
    ("What is the capital of France?", [" Paris", " London", " The capital of France is Paris."]),
    ("The cat sat on the", [" mat.", " moon.", " café 🙂"]),
    ("One, two, three,", [" four", " five, six, seven, eight, nine, ten", "\n\n"]),
    ("A summary of a short story about a dog, a boat and a red ball:", [" The dog", " the the the the"]),
]


@torch.no_grad()
def main(directory, out):
    tokenizer = AutoTokenizer.from_pretrained(directory)
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()
    rows = []
    for context, continuations in CASES:
        for continuation in continuations:
            begin = tokenizer(context, add_special_tokens=True)["input_ids"]
            ids = begin + tokenizer(continuation, add_special_tokens=False)["input_ids"]
            logprobs = torch.log_softmax(model(torch.tensor([ids])).logits[0].double(), -1)
            each = [logprobs[i, ids[i + 1]].item() for i in range(len(ids) - 1)]
            greedy = [int(logprobs[i].argmax()) for i in range(len(ids) - 1)]
            rows.append({"context": context, "continuation": continuation, "ids": ids, "context_tokens": len(begin),
                         "token_logprobs": [round(x, 6) for x in each], "is_greedy": greedy[len(begin) - 1:] == ids[len(begin):]})
    Path(out).write_text("\n".join(["["] + [json.dumps(r, ensure_ascii=False) + ("," if r is not rows[-1] else "") for r in rows] + ["]"]) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
