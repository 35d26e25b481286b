"""The demo model's greedy continuations and logits against the reference in float32.

Where the reference's two best logits are closer than MARGIN, either is right: tokens are compared up to the first such position.
"""
import json

import pytest

from server import DATA, MODEL

REFERENCE = json.loads((DATA / "reference.json").read_text())
MARGIN = 0.02
LOGIT_TOLERANCE = 2e-2  # of the logit's magnitude


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
    ended = choice["finish_reason"] == "stop"
    assert choice["token_ids"][:sure] == case["greedy_ids"][:len(choice["token_ids"]) if ended else sure][:sure]
    if sure == len(case["greedy_ids"]):
        assert ended == case["ended"]
    compared = compare_logprobs(choice, case, min(sure, len(choice["token_ids"])))
    assert compared > 0 or sure == 0


def compare_logprobs(choice, case, sure):
    """Differences of logits are differences of logprobs, whatever the normaliser."""
    compared = 0
    for step, top in enumerate(case["top"][:sure]):
        got = sorted(choice["logprobs"]["top_logprobs"][step].values(), reverse=True)
        chosen = choice["logprobs"]["token_logprobs"][step]
        assert abs(got[0] - chosen) < 1e-5
        for i in range(1, min(5, len(got))):
            want = top["logits"][i] - top["logits"][0]
            scale = max(1.0, *(abs(x) for x in top["logits"]))
            assert abs((got[i] - got[0]) - want) <= LOGIT_TOLERANCE * scale, (step, i, got, top)
            compared += 1
    return compared
