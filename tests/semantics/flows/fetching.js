// `fetch`, the standard function.

export async function fetchStep(url) {
  "use workflow";
  const got = await fetch(`${url}/todo?n=1`, { headers: { "X-Who": "ann" } });
  const { title, who } = await got.json();
  const posted = await fetch(`${url}/echo`, { method: "POST", body: "written" });
  const moved = await fetch(`${url}/moved`);
  const missing = await fetch(`${url}/missing`);
  return {
    got: [got.status, got.ok, got.headers.get("content-type"), title, who],
    posted: [posted.status, await posted.text()],
    moved: [moved.redirected, moved.url, (await moved.json()).title],
    missing: [missing.status, missing.ok, await missing.text()],
  };
}

export async function fetchFails(url) {
  "use workflow";
  try {
    return String((await fetch(url)).status);
  } catch (error) {
    return `${error.name}: ${error.message}`;
  }
}
