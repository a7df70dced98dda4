"""Requests, responses and streams, as far as workflow code makes them and looks into them."""

from __future__ import annotations

from tests.guests.quickjs.conftest import Author


def test_a_response_is_made_of_content(author: Author) -> None:
    """Its content can be read again, its headers say what it is, and it is stored as the SDK stores it."""
    run = author.body(
        "const made = new Response('hällo', { status: 201, headers: { 'x-a': '1' } });"
        "const copy = made.clone(); copy.headers.set('x-a', '2');"
        "return [made.status, made.ok, made.headers.get('content-type'), await made.text(), made.headers.get('x-a'),"
        " (await new Response(new Uint8Array([1, 2])).bytes()).length, await Response.json({ a: [1] }).json(),"
        " Response.json({}).headers.get('content-type'), Response.redirect('https://e.x/p').headers.get('location'),"
        " await new Response().text(), made instanceof Response, made]"
    )
    *told, made = run.begin().value
    assert told == [
        *(201, True, "text/plain;charset=UTF-8", "hällo", "1", 2, {"a": [1]}, "application/json", "https://e.x/p"),
        *("", True),
    ]
    assert made.fields["type"] == "default"
    assert made.body.fields == {"bodyInit": "hällo"}


def test_a_request_is_made_of_an_address(author: Author) -> None:
    """Its fields are those that are stored."""
    run = author.body(
        "const made = new Request('https://e.x/p?q', { method: 'post', body: new URLSearchParams({ a: '1' }) });"
        "return [made.method, made.url, made.headers.get('content-type'), await made.text(), new Request(made).method,"
        " made]"
    )
    *told, made = run.begin().value
    content = "application/x-www-form-urlencoded;charset=UTF-8"
    assert told == ["POST", "https://e.x/p?q", content, "a=1", "POST"]
    assert made.fields["duplex"] == "half"


def test_what_makes_no_sense_is_refused(author: Author) -> None:
    """With errors of Node's names."""
    run = author.body(
        "const tries = [() => new Response('', { status: 99 }), () => new Response('x', { status: 204 }),"
        " () => new Request('no address'), () => new Request('https://e.x', { body: 'x' }),"
        " () => Response.redirect('https://e.x', 200), () => new ReadableStream(), () => ReadableStream.from([]),"
        " () => new WritableStream(), () => new TransformStream()];"
        "return tries.map((act) => { try { return act() } catch (error) { return error.name } })"
    )
    assert run.begin().value == ["RangeError", "TypeError", "TypeError", "TypeError", "RangeError", *["TypeError"] * 4]


def test_the_body_of_a_stream_is_for_a_step(author: Author) -> None:
    """Who reads it in a workflow is told."""
    run = author.run(
        """import { getReadable } from "workflow";
export async function main() {
  "use workflow";
  try {
    await new Response(getReadable()).text();
  } catch (error) {
    return error.message;
  }
}"""
    )
    assert run.begin().value == ("Response.text is not available in workflow code; pass the Response to a step instead")
