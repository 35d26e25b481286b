# SPDX-License-Identifier: Apache-2.0
"""/openapi.json is valid and true: requests made from it by schemathesis are answered as it declares."""
import os
import re
import subprocess

import openapi_spec_validator
import pytest

from contract import check_error
from server import ROOT, clean_environment

SEED = 20250101
EXAMPLES = 15  # requests for each operation and phase
SCHEMATHESIS = ROOT / ".venv/bin/schemathesis"
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance,unsupported_method,ignored_auth"


@pytest.fixture(scope="module")
def documents(fake):
    return {name: client.get("/openapi.json").json() for name, client in (("main", fake.client), ("admin", fake.admin))}


@pytest.mark.parametrize("which", ["main", "admin"])
def test_the_document_is_valid(documents, which):
    openapi_spec_validator.validate(documents[which])
    assert documents[which]["openapi"] == "3.1.0"
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", documents[which]["info"]["version"])


def operations(document):
    for path, methods in document["paths"].items():
        for method in methods:
            if method in ("get", "post", "delete"):
                yield method.upper(), re.sub(r"\{.*?\}", "x", path), methods[method]


def test_every_path_but_health_needs_a_key(start, documents):
    server = start("--device", "fake", "--api-key", "sk-right")
    server.headers = {"Authorization": "Bearer sk-right"}
    for which, client in (("main", server.client), ("admin", server.admin)):
        walked = 0
        for method, path, operation in operations(documents[which]):
            body = {"json": {}} if method == "POST" else {}
            response = client.request(method, path, **body)
            if operation.get("security") == []:
                assert path in ("/livez", "/readyz", "/health") and response.status_code == 200
                continue
            assert response.status_code == 401, (method, path)
            for wrong in ("Bearer sk-wrong", "bearer sk-right", "sk-right", "Bearer", ""):
                assert client.request(method, path, headers={"Authorization": wrong}, **body).status_code == 401, (path, wrong)
            if (method, path) != ("POST", "/admin/drain"):
                assert client.request(method, path, headers=server.headers, **body).status_code != 401, (method, path)
            walked += 1
        assert walked >= 6
        for path in ("/nope", "/v1", "/livez/x", "/admin"):
            check_error(client.get(path), 401, code="invalid_api_key")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("which", ["main", "admin"])
def test_answers_are_as_declared(start, which, tmp_path):
    """Statuses, content types, headers and bodies; never a 5xx that is not declared. Drain is left out: it would end the test."""
    server = start("--device", "fake", "--max-model-len", 256, "--api-key", "sk-right")
    server.headers = {"Authorization": "Bearer sk-right"}
    url = server.url if which == "main" else server.admin_url
    command = [SCHEMATHESIS, "run", url + "/openapi.json", "--url", url, "--seed", str(SEED), "--max-examples", str(EXAMPLES), "--checks", CHECKS,
               "--phases", "examples,coverage,fuzzing", "--exclude-path", "/admin/drain", "--no-color", "--request-timeout", "60", "-H", "Authorization: Bearer sk-right"]
    print("seed", SEED)
    run = subprocess.run([*map(str, command)], capture_output=True, text=True, cwd=tmp_path, check=False, env={**clean_environment(), "HYPOTHESIS_STORAGE_DIRECTORY": str(tmp_path)})
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
    assert server.golden()
