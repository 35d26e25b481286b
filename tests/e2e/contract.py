# SPDX-License-Identifier: Apache-2.0
"""What every error answer looks like, and how an event stream is read."""
import json


class Any:
    def __repr__(self):  # the ids of cases hold it: workers must collect the same ones
        return "ANY"


ANY = Any()
TYPES = {401: "invalid_request_error", 403: "invalid_request_error", 429: "rate_limit_error"}


def type_of(status):
    return "server_error" if status >= 500 else TYPES.get(status, "invalid_request_error")


def check_error_body(body, status, param=ANY, code=ANY):
    """param may be a beginning ("messages[0]"); code one string or a set."""
    assert set(body) == {"error"}, body
    error = body["error"]
    assert set(error) == {"message", "type", "param", "code"}, error
    assert isinstance(error["message"], str) and 0 < len(error["message"]) < 2000, error
    assert error["type"] == type_of(status), error
    assert error["param"] is None or isinstance(error["param"], str), error
    assert error["code"] is None or isinstance(error["code"], str), error
    if param is None:
        assert error["param"] is None, error
    elif param is not ANY:
        assert error["param"] is not None and error["param"].startswith(param), (error, param)
    if code is not ANY:
        assert error["code"] in (code if isinstance(code, (set, tuple)) else {code}), (error, code)


def check_error(response, status, param=ANY, code=ANY):
    statuses = status if isinstance(status, (set, tuple)) else {status}
    assert response.status_code in statuses, (response.status_code, statuses, response.text[:500])
    assert response.headers["content-type"].startswith("application/json"), response.headers
    assert response.headers.get("x-request-id"), response.headers
    check_error_body(response.json(), response.status_code, param, code)


def events(lines):
    """The JSON of each event of a stream; asserts that it ends with [DONE] and holds nothing else but comments."""
    found, done = [], False
    for line in lines:
        if not line or line.startswith(":"):
            continue
        assert line.startswith("data: "), line
        assert not done, f"after [DONE]: {line}"
        if line == "data: [DONE]":
            done = True
        else:
            found.append(json.loads(line[6:]))
            assert "error" not in found[-1], found[-1]
    assert done, "the stream did not end with [DONE]"
    return found


def completion_text(chunks):
    return "".join(c["choices"][0]["text"] for c in chunks if c["choices"])


def chat_text(chunks):
    return "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks if c["choices"])


def stream(server, path, body):
    with server.client.stream("POST", path, json={**body, "stream": True}, headers=server.headers) as response:
        if response.status_code != 200:
            response.read()
        assert response.status_code == 200, response.text
        assert response.headers["content-type"].startswith("text/event-stream")
        return events(response.iter_lines())
