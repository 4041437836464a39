"""The viewer in a real browser: what is drawn is kept to the pixel, and nothing false is ever measured.

Marks are drawn by hand on the sample world's pictures, read back through the API, and taken away again.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, CDPSession, Page, Response, Route, expect

from tests.browser.conftest import Complaints, Visit

EXPERT, SURGEON = "shen", "lin"
PATIENCE = 60_000
NO_WEBGL = """
const own = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
  return /webgl/.test(kind) ? null : own.call(this, kind, ...rest);
};
"""
LISTEN_TO_POLICY = (
    "window.broken = []; addEventListener('securitypolicyviolation', e => broken.push(`${e.violatedDirective} ${e.blockedURI}`));"
)
TEXTS = """() => {
  const walker = document.createTreeWalker(document.getElementById("viewer"), NodeFilter.SHOW_TEXT);
  const said = [];
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (!node.parentElement.closest("kbd, .case, .clocks, .caption-title, .thumb-title, .marks, .side, svg")) said.push(node.data);
  }
  return said;
}"""


@dataclass(frozen=True)
class Picture:
    """A picture of a case: where it is, how large, and of what kind."""

    case_id: str
    instance_id: str
    kind: str
    columns: int
    rows: int
    frames: int

    @property
    def address(self) -> str:
        return f"/cases/{self.case_id}/viewer?instance={self.instance_id}"

    @property
    def annotations(self) -> str:
        return f"/api/v1/cases/{self.case_id}/annotations"


def pictures(page: Page) -> Iterator[Picture]:
    """Every picture this person may draw on."""
    for case in page.request.get("/api/v1/cases").json()["cases"]:
        told = page.request.get(f"/api/v1/cases/{case['id']}/imaging").json()
        if not told["may_annotate"]:
            continue
        for series in (series for study in told["studies"] for series in study["series"]):
            middle = series["instances"][len(series["instances"]) // 2]
            yield Picture(case["id"], middle["id"], middle["kind"], middle["columns"], middle["rows"], len(series["instances"]))


def picture_of(page: Page, kind: str) -> Picture:
    """The first picture of a kind."""
    return next(picture for picture in pictures(page) if picture.kind == kind)


def opened(page: Page, picture: Picture) -> Page:
    """The viewer with the picture's own pixels on the stage."""
    page.goto(picture.address)
    ready(page)
    return page


def ready(page: Page) -> None:
    page.wait_for_selector(".stage.is-ready", timeout=PATIENCE)


@dataclass(frozen=True)
class Hand:
    """Draws in image pixels on a picture that fills the stage as far as it goes."""

    page: Page
    picture: Picture

    def at(self, column: float, row: float) -> tuple[float, float]:
        """Where a point of the picture is in the window."""
        box = self.page.locator(".canvas").bounding_box()
        assert box is not None
        zoom = min(box["width"] / self.picture.columns, box["height"] / self.picture.rows)
        left = box["x"] + (box["width"] - self.picture.columns * zoom) / 2
        top = box["y"] + (box["height"] - self.picture.rows * zoom) / 2
        return left + column * zoom, top + row * zoom

    def drag(self, *points: tuple[float, float]) -> None:
        """Press at the first point, go through the others, let go at the last."""
        mouse = self.page.mouse
        mouse.move(*self.at(*points[0]))
        mouse.down()
        for point in points[1:]:
            mouse.move(*self.at(*point), steps=3)
        mouse.up()

    def click(self, *points: tuple[float, float]) -> None:
        for point in points:
            self.page.mouse.click(*self.at(*point))


def is_saving(method: str) -> Callable[[Response], bool]:
    return lambda response: "/annotations" in response.url and response.request.method == method and response.ok


@dataclass(frozen=True)
class Desk:
    """Somebody's window, and which marks stood before this test drew any."""

    page: Page
    standing: frozenset[str]

    def drawn_on(self, picture: Picture) -> list[dict[str, Any]]:
        """The marks of this test on a picture as the server has them, oldest first."""
        listed = self.page.request.get(picture.annotations).json()["annotations"]
        return [mark for mark in listed if mark["id"] not in self.standing and mark["instance_id"] == picture.instance_id]

    def clear(self) -> None:
        """Take away what this test drew."""
        origin = "/".join(self.page.url.split("/")[:3])
        for picture in pictures(self.page):
            for mark in self.drawn_on(picture):
                headers = {"If-Match": f'"{mark["version"]}"', "Origin": origin}
                assert self.page.request.delete(f"{picture.annotations}/{mark['id']}", headers=headers).status == 204


@pytest.fixture
def desk(visit: Visit) -> Iterator[Desk]:
    """The expert's desk; what was drawn at it is taken away in the end."""
    page = visit("/", login=EXPERT, language="en")
    listed = [page.request.get(address).json()["annotations"] for address in {picture.annotations for picture in pictures(page)}]
    made = Desk(page, frozenset(mark["id"] for marks in listed for mark in marks))
    yield made
    page.context.set_offline(False)
    made.clear()


@pytest.fixture
def expert(desk: Desk) -> Page:
    """The expert's window."""
    return desk.page


@pytest.fixture
def film(expert: Page) -> Picture:
    """A radiograph the expert may draw on."""
    return picture_of(expert, "radiograph")


def drawn(page: Page, picture: Picture, key: str, draw: Callable[[Hand], None]) -> dict[str, Any]:
    """Draw with the tool of a key, and return the mark as the server has it."""
    page.keyboard.press(key)
    with page.expect_response(is_saving("POST")) as sent:
        draw(Hand(page, picture))
    saved: dict[str, Any] = sent.value.json()
    return saved


def near(points: list[list[float]], wanted: list[tuple[float, float]], picture: Picture, page: Page) -> bool:
    """Whether points are where the mouse was, to the screen pixel it can be put on."""
    box = page.locator(".canvas").bounding_box()
    assert box is not None
    reach = 1.01 / min(box["width"] / picture.columns, box["height"] / picture.rows)
    return len(points) == len(wanted) and all(
        abs(x - u) <= reach and abs(y - v) <= reach for (x, y), (u, v) in zip(points, wanted, strict=True)
    )


@pytest.mark.parametrize("webgl", [True, False], ids=["webgl", "software"])
def test_every_tool_is_read_back_to_the_pixel_and_there_again(
    desk: Desk, expert: Page, film: Picture, complaints: Complaints, *, webgl: bool
) -> None:
    """Length, angle, arrow with text and freehand; after a reload they stand where they stood."""
    if not webgl:
        expert.context.add_init_script(NO_WEBGL)
    opened(expert, film)
    if not webgl:
        expect(expert.locator(".caption-quality")).to_contain_text("without a graphics card")
    c, r = film.columns / 10, film.rows / 10

    length = drawn(expert, film, "l", lambda hand: hand.drag((2 * c, 3 * r), (5 * c, 4 * r)))
    assert length["tool"] == "length"
    assert near(length["points"], [(2 * c, 3 * r), (5 * c, 4 * r)], film, expert)

    corner = [(7 * c, 2 * r), (6 * c, 5 * r), (8 * c, 6 * r)]
    angle = drawn(expert, film, "a", lambda hand: hand.click(*corner))
    assert near(angle["points"], corner, film, expert)

    arrow = drawn(expert, film, "t", lambda hand: hand.drag((2 * c, 8 * r), (4 * c, 7 * r)))
    assert near(arrow["points"], [(2 * c, 8 * r), (4 * c, 7 * r)], film, expert)
    with expert.expect_response(is_saving("PUT")):
        expert.keyboard.type("A step of 2 mm")
        expert.keyboard.press("Enter")

    outline = [(6 * c, 7 * r), (8 * c, 7 * r), (8 * c, 9 * r), (6 * c, 9 * r), (6 * c, 7 * r)]
    freehand = drawn(expert, film, "f", lambda hand: hand.drag(*outline))
    assert freehand["points"][0] == freehand["points"][-1]

    expect(expert.locator(".saving-words")).to_have_text("All saved")
    before = [expert.locator(".mark-line").nth(i).get_attribute("d") for i in range(expert.locator(".mark-line").count())]
    expert.reload()
    ready(expert)
    expect(expert.locator(".mark-line")).to_have_count(len(before))
    after = [expert.locator(".mark-line").nth(i).get_attribute("d") for i in range(len(before))]
    assert sorted(map(str, after)) == sorted(map(str, before))
    expect(expert.locator(".mark-label", has_text="A step of 2 mm")).to_be_visible()
    assert [mark["text"] for mark in desk.drawn_on(film) if mark["tool"] == "arrow"] == ["A step of 2 mm"]


def test_own_marks_are_changed_and_deleted_and_taken_back(desk: Desk, expert: Page, film: Picture) -> None:
    """Dragging an end makes a new version; deleting withdraws; undo draws again."""
    opened(expert, film)
    c, r = film.columns / 10, film.rows / 10
    made = drawn(expert, film, "l", lambda hand: hand.drag((2 * c, 3 * r), (5 * c, 4 * r)))
    expert.keyboard.press("w")
    with expert.expect_response(is_saving("PUT")) as changed:
        Hand(expert, film).drag((5 * c, 4 * r), (6 * c, 6 * r))
    assert changed.value.json()["version"] == made["version"] + 1
    assert near(changed.value.json()["points"], [(2 * c, 3 * r), (6 * c, 6 * r)], film, expert)
    with expert.expect_response(is_saving("DELETE")):
        expert.keyboard.press("Delete")
    assert desk.drawn_on(film) == []
    with expert.expect_response(is_saving("POST")):
        expert.keyboard.press("Control+z")
    assert len(desk.drawn_on(film)) == 1


def test_the_other_side_sees_a_mark_and_cannot_move_it(expert: Page, film: Picture, visit: Visit) -> None:
    """The surgeon sees whose it is, may hide it, and has no way to change it."""
    opened(expert, film)
    c, r = film.columns / 10, film.rows / 10
    drawn(expert, film, "l", lambda hand: hand.drag((2 * c, 3 * r), (5 * c, 4 * r)))
    name = expert.request.get(film.annotations).json()["annotations"][-1]["author"]["name"]

    surgeon = visit("/", login=SURGEON, language="en")
    opened(surgeon, film)
    row = surgeon.locator(".mark-row", has_text="detector plane").filter(has_text=name).last
    expect(row).to_be_visible()
    assert row.locator(".mark-action").count() == 0
    changes: list[str] = []
    surgeon.on("request", lambda request: changes.append(request.method) if request.method in ("PUT", "DELETE") else None)
    Hand(surgeon, film).drag((5 * c, 4 * r), (6 * c, 6 * r))
    surgeon.keyboard.press("Delete")
    surgeon.locator(".person", has_text=name).click()
    expect(surgeon.locator(".mark-label", has_text=name)).to_have_count(0)
    assert changes == []


def test_a_dropped_line_keeps_the_drawing_and_sends_it_later(desk: Desk, expert: Page, film: Picture, complaints: Complaints) -> None:
    """Drawn without a network, said so beside the mark, sent when the line is back, once."""
    complaints.tolerate("ERR_INTERNET_DISCONNECTED")
    opened(expert, film)
    c, r = film.columns / 10, film.rows / 10
    expert.context.set_offline(True)
    expert.keyboard.press("l")
    Hand(expert, film).drag((2 * c, 3 * r), (5 * c, 4 * r))
    expect(expert.locator(".saving-words")).to_contain_text("1 mark not yet saved")
    expect(expert.locator(".mark.is-selected .mark-label")).to_contain_text("not yet saved")
    with expert.expect_response(is_saving("POST")):
        expert.context.set_offline(False)
    expect(expert.locator(".saving-words")).to_have_text("All saved")
    assert len(desk.drawn_on(film)) == 1


def test_a_lost_answer_makes_no_second_mark(desk: Desk, expert: Page, film: Picture, complaints: Complaints) -> None:
    """The server took it, the answer never came: the same name goes out again."""
    complaints.tolerate("ERR_FAILED|ERR_CONNECTION")
    opened(expert, film)
    lost: list[str] = []

    def lose(route: Route) -> None:
        if route.request.method == "POST" and not lost:
            lost.append(route.fetch().text())
            route.abort()
        else:
            route.continue_()

    expert.route("**/annotations", lose)
    expert.keyboard.press("l")
    Hand(expert, film).drag((300, 300), (900, 600))
    expect(expert.locator(".saving-words")).to_have_text("All saved")
    assert lost
    assert len(desk.drawn_on(film)) == 1


def test_of_two_windows_the_second_is_told(desk: Desk, expert: Page, film: Picture, complaints: Complaints) -> None:
    """A mark changed elsewhere is shown as it stands there; one's own change is offered back."""
    complaints.tolerate("412")
    opened(expert, film)
    c, r = film.columns / 10, film.rows / 10
    drawn(expert, film, "l", lambda hand: hand.drag((2 * c, 3 * r), (5 * c, 4 * r)))
    other = opened(expert.context.new_page(), film)
    other.keyboard.press("w")
    with other.expect_response(is_saving("PUT")):
        Hand(other, film).drag((5 * c, 4 * r), (5 * c, 8 * r))

    expert.keyboard.press("w")
    Hand(expert, film).drag((2 * c, 3 * r), (1 * c, 1 * r))
    expect(expert.locator(".note")).to_contain_text("changed in another window")
    assert near(desk.drawn_on(film)[0]["points"], [(2 * c, 3 * r), (5 * c, 8 * r)], film, expert)
    with expert.expect_response(is_saving("PUT")):
        expert.locator(".note .button").click()
    assert near(desk.drawn_on(film)[0]["points"], [(1 * c, 1 * r), (5 * c, 4 * r)], film, expert)


def test_a_frame_that_cannot_be_decoded_says_so_and_blocks_the_tools(expert: Page, film: Picture) -> None:
    """Half a frame is no frame: nothing is drawn, measured or recorded on it."""

    def halve(route: Route) -> None:
        answer = route.fetch()
        body = answer.body()
        head, tail = body[: len(body) // 2], body[-200:]
        boundary = re.search(rb"\r\n--[^\r\n]+--", tail)
        assert boundary is not None
        headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
        route.fulfill(status=200, headers=headers, body=head + boundary.group())

    expert.route(re.compile(r"/frames/\d+$"), halve)
    expert.goto(film.address)
    expect(expert.locator(".failure")).to_contain_text("cannot be decoded", timeout=PATIENCE)
    assert expert.locator(".tool:not([aria-disabled])").count() == 0
    sent: list[str] = []
    expert.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    expert.keyboard.press("l")
    Hand(expert, film).drag((300, 300), (900, 600))
    expert.wait_for_timeout(300)
    assert sent == []
    assert expert.locator(".mark[data-mark=draft]").count() == 0


def test_millimetres_only_where_the_spacing_is_known(expert: Page, film: Picture) -> None:
    """A film says its plane, a photograph has pixels and nothing else."""
    opened(expert, film)
    expect(expert.locator(".caption-quality")).to_contain_text("mm per pixel, detector plane")
    drawn(expert, film, "l", lambda hand: hand.drag((300, 300), (900, 600)))
    expect(expert.locator(".mark.is-selected .mark-label")).to_contain_text(re.compile(r"\d mm.*detector plane"))

    photo = picture_of(expert, "photo")
    opened(expert, photo)
    expect(expert.locator(".caption-quality")).to_contain_text("no known scale")
    drawn(expert, photo, "l", lambda hand: hand.drag((300, 300), (900, 600)))
    label = expert.locator(".mark.is-selected .mark-label")
    expect(label).to_contain_text(re.compile(r"\d px"))
    expect(label).not_to_contain_text("mm")


def test_a_turned_or_flipped_picture_says_so_for_as_long_as_it_is(desk: Desk, expert: Page, film: Picture) -> None:
    """The sign stays while marks keep their place on the picture."""
    opened(expert, film)
    badge = expert.locator(".badge")
    expect(badge).to_be_hidden()
    made = drawn(expert, film, "l", lambda hand: hand.drag((300, 300), (900, 600)))
    expert.keyboard.press("Escape")
    for key, words in (("h", "FLIPPED LEFT–RIGHT"), ("r", "TURNED"), ("v", "TURNED")):
        expert.keyboard.press(key)
        expect(badge).to_contain_text(words)
    expert.keyboard.press("u")
    expect(badge).to_be_hidden()
    assert desk.drawn_on(film)[0]["points"] == made["points"]


def test_a_stack_is_scrolled_windowed_and_marked_slice_by_slice(expert: Page, visit: Visit) -> None:
    """Wheel and keys walk through the slices; a mark belongs to one of them."""
    surgeon = visit("/", login=SURGEON, language="en")
    stack = picture_of(surgeon, "ct")
    opened(surgeon, stack)
    slice_words = surgeon.locator(".caption-slice")
    middle = int(re.findall(r"\d+", slice_words.inner_text())[0])
    surgeon.keyboard.press("ArrowDown")
    expect(slice_words).to_have_text(f"Slice {middle + 1} of {stack.frames}")
    surgeon.mouse.move(*Hand(surgeon, stack).at(stack.columns / 2, stack.rows / 2))
    surgeon.mouse.wheel(0, -120)
    expect(slice_words).not_to_have_text(f"Slice {middle + 1} of {stack.frames}")
    surgeon.keyboard.press("End")
    expect(slice_words).to_have_text(f"Slice {stack.frames} of {stack.frames}")
    ready(surgeon)
    surgeon.keyboard.press("3")
    expect(surgeon.locator(".caption-window")).to_contain_text("W 400 L 40")
    assert surgeon.locator(".preset[aria-pressed=true]").inner_text() == "Soft tissue"


@pytest.mark.parametrize("viewport", ["phone", "desktop"])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_it_is_accessible_and_keeps_the_policy(
    visit: Visit, axe: Callable[[Page], list[str]], shot: Callable[..., object], language: str, viewport: str
) -> None:
    """axe finds nothing on a film, a stack, a photograph and the key sheet; the content policy hears nothing."""
    page = visit("/", login=SURGEON, language=language, viewport=viewport)
    page.context.add_init_script(LISTEN_TO_POLICY)
    for kind in ("radiograph", "ct", "photo"):
        opened(page, picture_of(page, kind))
        shot(page, f"viewer-{kind}-{language}-{viewport}", full_page=False)
        assert axe(page) == []
        assert page.evaluate("broken") == []
    page.keyboard.press("?")
    shot(page, f"viewer-keys-{language}-{viewport}", full_page=False)
    assert axe(page) == []
    page.keyboard.press("Escape")
    if viewport == "phone":
        page.locator("[aria-controls=marks]").click()
        shot(page, f"viewer-marks-{language}-{viewport}", full_page=False)
        assert axe(page) == []


def test_no_text_comes_from_outside_the_catalogue(visit: Visit, server: Any) -> None:
    """In the pseudo-locale every letter is accented but those of the record itself."""
    page = visit("/", login=SURGEON, language="en")
    page.context.add_cookies([{"name": "language", "value": "en-XA", "url": server.url}])
    opened(page, picture_of(page, "ct"))
    page.keyboard.press("h")
    page.keyboard.press("?")
    plain = [text for text in page.evaluate(TEXTS) if re.search(r"[A-Za-z]{2}", text)]
    assert plain == []


def test_fingers_zoom_move_and_draw(expert: Page, film: Picture, visit: Visit) -> None:
    """Two fingers zoom about where they are; one finger draws with the tool in hand."""
    page = visit("/", login=EXPERT, language="en", viewport="phone")
    opened(page, film)
    fingers = Fingers(page.context)
    before = percent(page)
    x, y = Hand(page, film).at(film.columns / 2, film.rows / 2)
    fingers.pinch(x, y, 60, 120)
    expect(page.locator(".caption-window")).not_to_contain_text(f"{before}%")
    assert percent(page) == pytest.approx(2 * before, abs=2)
    page.locator("[data-command=length]").tap()
    with page.expect_response(is_saving("POST")) as sent:
        fingers.drag((x - 60, y), (x + 60, y + 30))
    (x0, y0), (x1, y1) = sent.value.json()["points"]
    assert (x1 - x0) / (y1 - y0) == pytest.approx(4, rel=0.1)


def percent(page: Page) -> int:
    """The zoom that the corner shows."""
    return int(re.findall(r"(\d+)%", page.locator(".caption-window").inner_text())[0])


class Fingers:
    """Touches through the browser's own protocol."""

    def __init__(self, context: BrowserContext) -> None:
        self._cdp: CDPSession = context.new_cdp_session(context.pages[0])

    def pinch(self, x: float, y: float, apart: float, to: float) -> None:
        """Two fingers around a point, from so far apart to so far apart."""
        for step in range(9):
            reach = (apart + (to - apart) * step / 8) / 2
            self._touch("touchMove" if step else "touchStart", (x - reach, y), (x + reach, y))
        self._touch("touchEnd")

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """One finger along a line."""
        self._touch("touchStart", start)
        for step in range(1, 9):
            self._touch("touchMove", (start[0] + (end[0] - start[0]) * step / 8, start[1] + (end[1] - start[1]) * step / 8))
        self._touch("touchEnd")

    def _touch(self, kind: str, *points: tuple[float, float]) -> None:
        touches = [{"x": x, "y": y, "id": index} for index, (x, y) in enumerate(points)]
        self._cdp.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})
