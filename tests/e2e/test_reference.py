# SPDX-License-Identifier: Apache-2.0
"""The demo model's greedy continuations and logits against the reference in float32.

Where the reference's two best logits are closer than MARGIN, either is right: tokens are compared up to the first such position.
"""
import json

import pytest

from server import DATA

REFERENCE = json.loads((DATA / "reference.json").read_text())
MARGIN = 0.02
LOGIT_TOLERANCE = 2e-2  # of the logit's magnitude
END_IDS = (6137, 6140)


def sure_length(case):
    for i, margin in enumerate(case["margins"]):
        if margin <= MARGIN:
            return i
    return len(case["greedy_ids"])


@pytest.mark.parametrize("index", range(len(REFERENCE["prompts"])))
def test_prompt(server, index):
    case = REFERENCE["prompts"][index]
    response = server.complete(case["input_ids"], max_tokens=REFERENCE["new_tokens"], temperature=0, return_token_ids=True, logprobs=5)
    assert response.status_code == 200, response.text
    choice = response.json()["choices"][0]
    sure = sure_length(case)
    got, want = without_end(choice["token_ids"]), without_end(case["greedy_ids"])
    if sure == len(case["greedy_ids"]):
        assert (got, choice["finish_reason"]) == (want, "stop" if case["ended"] else "length")
    else:
        assert got[:sure] == want[:sure]
    compare_logprobs(choice["logprobs"], case, min(sure, len(got)))


def without_end(ids):
    """An answer may or may not list the token that ended it."""
    return ids[:-1] if ids and ids[-1] in END_IDS else ids


def compare_logprobs(logprobs, case, sure):
    """Differences of logits are differences of logprobs, whatever the normaliser."""
    for step, top in enumerate(case["top"][:sure]):
        got = sorted(logprobs["top_logprobs"][step].values(), reverse=True)
        assert abs(got[0] - logprobs["token_logprobs"][step]) < 1e-5
        if len(got) < 5:
            continue  # tokens that are halves of characters share one text, which is the key
        scale = max(1.0, *(abs(x) for x in top["logits"]))
        for i in range(1, 5):
            want = top["logits"][i] - top["logits"][0]
            assert abs((got[i] - got[0]) - want) <= LOGIT_TOLERANCE * scale, (step, i, got, top)
