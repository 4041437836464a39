"""The browser of the tests can do what the product needs of one: WebGL, Chinese, and axe-core."""

from collections.abc import Callable

from playwright.sync_api import Browser, Page

PAINT = """() => {
  const gl = document.createElement("canvas").getContext("webgl2");
  gl.clearColor(1, 0, 0, 1);
  gl.clear(gl.COLOR_BUFFER_BIT);
  const pixel = new Uint8Array(4);
  gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel);
  return Array.from(pixel);
}"""

# the same glyph for two different characters would be the box that stands for a missing one
INK = """text => {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 40;
  const pen = canvas.getContext("2d");
  pen.font = "32px sans-serif";
  pen.fillText(text, 2, 34);
  return Array.from(pen.getImageData(0, 0, 40, 40).data).join();
}"""


def test_webgl_paints(browser: Browser) -> None:
    page = browser.new_page()
    assert page.evaluate(PAINT) == [255, 0, 0, 255]
    page.close()


def test_chinese_has_glyphs(browser: Browser) -> None:
    page = browser.new_page()
    drawn = {page.evaluate(INK, character) for character in "山海断指瓣"}
    assert len(drawn) == 5
    page.close()


def test_axe_finds_what_is_wrong(browser: Browser, axe: Callable[[Page], list[str]]) -> None:
    page = browser.new_page()
    page.set_content("<!doctype html><html lang=en><title>t</title><main><input></main>")
    assert any(found.startswith("label:") for found in axe(page))
    page.close()
