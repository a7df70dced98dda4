"""The site in a test: in a world of its own, in which it works on runs itself."""

from app import app
from web import mounted, site


def test_an_order_is_placed_and_approved() -> None:
    with app.moved("memory://"):
        http = site.test_client()
        try:
            assert http.post("/orders/o-1/approve").status_code == 404
            assert http.post("/orders/o-1").json == {"run": "o-1"}
            mounted.open().resume_hook("approve:o-1", "no", wait=60)
            assert mounted.open().run("o-1").result(timeout=60) == "o-1 was refused"
            assert http.get("/orders/o-1").json == {"status": "completed"}
        finally:
            mounted.close()
