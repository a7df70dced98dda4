"""Pages of runs in TypeScript: their functions and what these hold, now, in the past, and where one failed."""

from __future__ import annotations

import html
import re
from pathlib import Path

import httpx
import pytest

from torpor import RunFailedError, Torpor
from torpor.http.asgi import asgi
from torpor.http.tokens import make_token
from torpor.testing import Testbed

FLOW = """import { sleep, createHook } from "workflow";
const hostile: string = "</code><script>alert(1)</script>\\u202e";
export async function ordering(id: string): Promise<number> {
  "use workflow";
  let cents: number = 100;
  await sleep("1h");
  cents += 50;
  using hook = createHook<string>({ token: `approve-${id}` });
  const answer: string = (await hook) + hostile;
  if (answer.startsWith("no")) throw new RangeError(`${cents} refused`);
  return cents;
}
"""


def shown(page: str) -> tuple[list[str], list[str], dict[str, str]]:
    """Return the places, the lines where functions stand, and the variables of a page."""
    assert "<script>alert" not in page
    places = re.findall(r'<p class="place"><code>([^<]*)</code> <span class="muted">([^<]*)</span>', page)
    lines = re.findall(r'<span class="here"><i>\d+</i>([^<]*)\n', page)
    variables = re.findall(r'<dt>([^<]*)</dt><dd><code dir="auto">(.*?)</code>', page, re.DOTALL)
    return (
        [" ".join(place) for place in places],
        [html.unescape(line).strip() for line in lines],
        {name: html.unescape(value) for name, value in variables},
    )


async def test_pages_show_the_functions_of_typescript(tmp_path: Path) -> None:
    """Where it stands, what had changed there since, and where it was raised; with columns, as text."""
    (tmp_path / "ordering.ts").write_text(FLOW)
    app = Torpor("memory://", root=tmp_path)
    app.workflows("*.ts")
    made = make_token(app.clock.now(), ("read",))
    transport = httpx.ASGITransport(asgi(app, tokens=[made.token]))
    headers = {"Authorization": f"Bearer {made.text}", "Accept": "text/html"}
    async with (
        Testbed(app) as torpor,
        httpx.AsyncClient(transport=transport, base_url="http://x", headers=headers) as http,
    ):
        run = await torpor.start("ordering", "o-1")
        await run.waiting_for(sleep="1h")
        places, lines, variables = shown((await http.get(f"/runs/{run.id}/stack")).text)
        assert (places, lines) == (["ordering ./ordering.ts:6:3"], ['await sleep("1h");'])
        assert variables == {"id": '"o-1"', "cents": "100"}

        await run.waiting_for(hook=True)
        head = len(await run.events())
        page = (await http.get(f"/runs/{run.id}/travel", params={"at": head, "since": 1})).text
        places, lines, variables = shown(page)
        assert places == ["ordering ./ordering.ts:9:27"]
        assert variables["cents"] == "150"
        assert 'was <code dir="auto">100</code>' in page

        await torpor.resume_hook("approve-o-1", "no")
        with pytest.raises(RunFailedError):
            await run.result()
        page = (await http.get(f"/runs/{run.id}/stack")).text
        assert "nothing: it raised RangeError: 150 refused" in page
        places, lines, variables = shown(page)
        assert lines[0].startswith("if (answer.startsWith")
        assert variables["answer"].startswith('"no</code><script>alert(1)')
