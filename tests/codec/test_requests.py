"""HTTP requests and responses as values."""

from __future__ import annotations

import pytest

from torpor import Request, Response, UsageError, codec
from torpor.codec.values import Handle, Headers, ReadableStream


def there_and_back(message: Handle) -> Handle:
    """Store a message, and read it."""
    read = codec.loads(codec.dumps(message))
    assert isinstance(read, Handle)
    return read


def test_a_request_is_what_it_was() -> None:
    """Method, address, headers and body, also when it was stored."""
    request = Request("https://e.x/p?q", method="put", headers={"X-A": "1"}, body='{"n": 1}')
    for each in (request, there_and_back(request)):
        assert isinstance(each, Request)
        assert (each.method, each.url, each.headers.get("x-a")) == ("PUT", "https://e.x/p?q", "1")
        assert (each.text(), each.json(), each.bytes()) == ('{"n": 1}', {"n": 1}, b'{"n": 1}')
        assert each.headers.get("content-type") == "text/plain;charset=UTF-8"
    assert (Request("https://e.x").body, Request("https://e.x").bytes()) == (None, b"")


def test_a_response_is_what_it_was() -> None:
    """Status, headers and body, also when it was stored."""
    response = Response(b"\xff\0", status=402, headers=[("Set-Cookie", "a"), ("Set-Cookie", "b")], status_text="Pay")
    for each in (response, there_and_back(response)):
        assert isinstance(each, Response)
        assert (each.status, each.statusText, each.bytes()) == (402, "Pay", b"\xff\0")
        assert each.headers == Headers([("set-cookie", "a"), ("set-cookie", "b")])
    made = Response.of_json({"a": "ü"}, status=201)
    assert (made.status, made.json(), made.headers.get("content-type")) == (201, {"a": "ü"}, "application/json")
    assert Response.of_json(1, headers={"Content-Type": "text/x"}).headers.get("content-type") == "text/x"


@pytest.mark.parametrize("status", [199, 600, "200", True, None])
def test_a_status_is_a_number_from_200_to_599(status: object) -> None:
    """Others are refused."""
    with pytest.raises(UsageError, match="200 to 599"):
        Response(status=status)  # type: ignore[arg-type]  # what authors may do


@pytest.mark.parametrize(
    "make", [Response, lambda body: Request("https://e.x", body=body)], ids=["response", "request"]
)
def test_a_body_is_text_or_bytes(make: type[Response]) -> None:
    """Others are refused, and so is a body where the status has none."""
    with pytest.raises(UsageError, match="text or bytes"):
        make({"a": 1})  # type: ignore[arg-type]  # as above
    with pytest.raises(UsageError, match="no body"):
        Response("x", status=204)


def test_a_body_that_is_a_stream_is_for_steps() -> None:
    """It is not at hand."""
    response = Response.of({**Response().fields, "body": ReadableStream({"name": "strm_1_user", "runId": "wrun_1"})})
    for read in (response.bytes, response.text, response.json):
        with pytest.raises(UsageError, match="pass the Response to a step"):
            read()


def test_only_requests_of_such_webhooks_are_answered() -> None:
    """The error says which."""
    with pytest.raises(UsageError, match="respond_with"):
        Request("https://e.x").respond_with(Response())
